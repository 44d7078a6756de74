import { existsSync, globSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ROOT } from "@tercet/cli/repository";

const TEMPLATES = join(ROOT, "scripts/templates");

/**
 * Copies the files of a folder of scripts/templates; `rename` is applied to their texts and names.
 * Resolves to their paths from the root. Throws, before it writes, if one is there already.
 */
export async function copyTemplate(
  template: string,
  target: string,
  rename: (text: string) => string,
): Promise<string[]> {
  const from = join(TEMPLATES, template);
  const sources = globSync("**/*.{ts,json,proto}", { cwd: from });
  const copies = sources.map((source) => ({ source, path: join(target, rename(source)) }));
  const there = copies.find(({ path }) => existsSync(join(ROOT, path)));
  if (there !== undefined) throw new Error(`${there.path} is there already`);
  for (const { source, path } of copies) {
    await mkdir(dirname(join(ROOT, path)), { recursive: true });
    await writeFile(join(ROOT, path), rename(await readFile(join(from, source), "utf8")));
  }
  return copies.map(({ path }) => path);
}

/** Changes a file of the repository. Throws if its text does not contain the anchor. */
export async function insertBefore(path: string, anchor: string, added: string): Promise<void> {
  const text = await readFile(join(ROOT, path), "utf8");
  if (!text.includes(anchor)) throw new Error(`${path} does not contain "${anchor}"`);
  await writeFile(
    join(ROOT, path),
    text.replace(anchor, () => added + anchor),
  );
}
