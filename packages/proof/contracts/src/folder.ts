import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "@tercet/cli";

const PACKAGE = join(ROOT, "packages/proof/contracts");

/** The committed golden vectors, pacts and policy. */
export const GOLDEN = join(PACKAGE, "golden");
export const PACTS = join(PACKAGE, "pacts");
export const POLICY = join(PACKAGE, "policy.yaml");

/** Resolves to the text of each JSON file by its name; to none when the folder is missing. */
export async function readFolder(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const texts = new Map<string, string>();
  for (const name of names.filter((one) => one.endsWith(".json")).sort())
    texts.set(name, await readFile(join(folder, name), "utf8"));
  return texts;
}

export async function writeFolder(
  folder: string,
  texts: ReadonlyMap<string, string>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of texts) await writeFile(join(folder, name), text);
}
