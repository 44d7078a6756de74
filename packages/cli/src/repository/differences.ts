import { glob, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { ROOT } from "../root.ts";

/** Returns how freshly generated files differ from the committed ones, one line per path. */
export async function differences(committed: string, fresh: string): Promise<string[]> {
  const [before, after] = await Promise.all([contents(committed), contents(fresh)]);
  const problems: string[] = [];
  for (const path of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    if (!before.has(path)) problems.push(`${path} is missing`);
    else if (!after.has(path)) problems.push(`${path} is no longer generated`);
    else if (before.get(path) !== after.get(path)) problems.push(`${path} is stale`);
  }
  return problems;
}

/** The same for what `pnpm generate` writes into this folder, given from the root. */
export async function staleFiles(folder: string, fresh: string): Promise<string[]> {
  const found = await differences(join(ROOT, folder), fresh);
  return found.map((problem) => `${folder}/${problem}: run pnpm generate`);
}

async function contents(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const entry of glob("**/*", { cwd: folder, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(relative(folder, path), await readFile(path, "utf8"));
  }
  return files;
}
