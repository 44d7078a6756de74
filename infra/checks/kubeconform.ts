import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execute } from "@tercet/cli/repository";
import { KUBERNETES, kubeSchemas, SCHEMA_FILES } from "./kube-schemas.ts";

/** Whether kubeconform can run here; otherwise why not. */
export async function withoutKubeconform(): Promise<string | undefined> {
  const { code } = await execute("kubeconform", ["-v"]);
  if (code !== 0) return "kubeconform is not there: pnpm tools kubeconform";
  return (await kubeSchemas()) === undefined
    ? "the schemas of Kubernetes cannot be had without Go and its module proxy"
    : undefined;
}

/** What the API server would refuse in these manifests, by the name they are given. */
export async function conformanceProblems(
  manifests: ReadonlyMap<string, string>,
): Promise<string[]> {
  const schemas = await kubeSchemas();
  if (schemas === undefined) throw new Error("no schemas");
  const folder = await mkdtemp(join(tmpdir(), "tercet-manifests-"));
  try {
    for (const [name, text] of manifests) await writeFile(join(folder, `${name}.yaml`), text);
    const where = join(schemas, SCHEMA_FILES);
    const { code, output } = await execute("kubeconform", [
      "-strict",
      "-kubernetes-version",
      KUBERNETES,
      "-schema-location",
      where,
      folder,
    ]);
    return code === 0 ? [] : [output.replaceAll(`${folder}/`, "").trim()];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
