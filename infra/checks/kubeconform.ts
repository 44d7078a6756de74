import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Outcome, outcomeOf, temporaryFolder } from "@tercet/cli/repository";
import { KUBERNETES, kubeSchemas, SCHEMA_FILES } from "./kube-schemas.ts";

/** Fails with what the API server would refuse in these manifests, which are given by name. */
export async function checkConformance(manifests: ReadonlyMap<string, string>): Promise<Outcome> {
  const schemas = await kubeSchemas();
  if (schemas === undefined)
    return {
      kind: "skipped",
      reason: "the schemas of Kubernetes cannot be fetched without Go and its module proxy",
    };
  await using folder = await temporaryFolder("kubeconform");
  for (const [name, text] of manifests) await writeFile(join(folder.path, `${name}.yaml`), text);
  return await outcomeOf(
    "kubeconform",
    "-strict",
    ...["-kubernetes-version", KUBERNETES],
    ...["-schema-location", join(schemas, SCHEMA_FILES)],
    folder.path,
  );
}
