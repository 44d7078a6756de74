import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { execute, type Outcome, ROOT } from "@tercet/cli/repository";
import { checkConformance } from "./kubeconform.ts";

const OVERLAYS = "infra/k8s/overlays";

/** Each overlay as kustomize builds it. */
export async function buildOverlays(): Promise<Map<string, string>> {
  const built = new Map<string, string>();
  for (const name of (await readdir(join(ROOT, OVERLAYS))).sort()) {
    const { code, stdout, output } = await execute("kustomize", ["build", join(OVERLAYS, name)]);
    if (code !== 0) throw new Error(`kustomize build ${OVERLAYS}/${name}: ${output.trim()}`);
    built.set(name, stdout);
  }
  return built;
}

export const checkOverlays = async (): Promise<Outcome> =>
  await checkConformance(await buildOverlays());
