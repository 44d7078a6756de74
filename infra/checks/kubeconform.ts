import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execute, temporaryFolder } from "@tercet/cli/repository";
import { KUBERNETES, kubeSchemas, SCHEMA_FILES } from "./kube-schemas.ts";

/** Returns why kubeconform cannot run here; undefined if it can. */
export async function withoutKubeconform(): Promise<string | undefined> {
  const { code } = await execute("kubeconform", ["-v"]);
  if (code !== 0) return "kubeconform is not installed: pnpm tools kubeconform";
  return (await kubeSchemas()) === undefined
    ? "the schemas of Kubernetes cannot be fetched without Go and its module proxy"
    : undefined;
}

/** Returns what the API server would refuse in these manifests, which are given by name. */
export async function conformanceProblems(
  manifests: ReadonlyMap<string, string>,
): Promise<string[]> {
  const schemas = await kubeSchemas();
  if (schemas === undefined) throw new Error("the schemas of Kubernetes are missing");
  await using folder = await temporaryFolder("kubeconform");
  for (const [name, text] of manifests) await writeFile(join(folder.path, `${name}.yaml`), text);
  const { code, output } = await execute("kubeconform", [
    "-strict",
    ...["-kubernetes-version", KUBERNETES],
    ...["-schema-location", join(schemas, SCHEMA_FILES)],
    folder.path,
  ]);
  return code === 0 ? [] : [output.replaceAll(`${folder.path}/`, "").trim()];
}
