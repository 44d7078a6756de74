import { type K8sObject, ofKind, podsOf } from "./k8s-objects.ts";

/**
 * What the process in a Deployment's container finds in its environment. A Secret that is not among
 * the objects must be given.
 */
export function envOf(
  objects: readonly K8sObject[],
  deployment: string,
  secrets: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const [container] =
    podsOf(ofKind(objects, "Deployment")).find(({ name }) => name === deployment)?.containers ?? [];
  if (container === undefined) throw new Error(`there is no Deployment ${deployment}`);
  const dataOf = (kind: string, name: string) =>
    ofKind(objects, kind).find(({ metadata }) => metadata.name === name)?.data;
  const decoded = (data: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(data).map(([name, value]) => [name, Buffer.from(value, "base64").toString()]),
    );
  const env: Record<string, string> = {};
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef !== undefined) Object.assign(env, dataOf("ConfigMap", configMapRef.name));
    const secret = secretRef && dataOf("Secret", secretRef.name);
    if (secretRef !== undefined)
      Object.assign(env, secret === undefined ? secrets : decoded(secret));
  }
  for (const { name, value = "" } of container.env ?? []) env[name] = value;
  return env;
}
