import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { execute, failedWith, type Outcome, ROOT } from "@tercet/cli/repository";
import { conformanceProblems, withoutKubeconform } from "./kubeconform.ts";

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

export async function hasKustomize(): Promise<boolean> {
  return (await execute("kustomize", ["version"])).code === 0;
}

export async function checkOverlays(): Promise<Outcome> {
  if (!(await hasKustomize()))
    return { kind: "skipped", reason: "kustomize is not there: pnpm tools kustomize" };
  const without = await withoutKubeconform();
  if (without !== undefined) return { kind: "skipped", reason: without };
  return failedWith(await conformanceProblems(await buildOverlays()));
}
