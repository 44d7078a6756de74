import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../root.ts";
import { execute } from "./execute.ts";

/** Returns the paths, from the root, of all files that are tracked or could be (not ignored). */
export async function listFiles(): Promise<string[]> {
  const { code, stdout, output } = await execute("git", [
    "ls-files",
    "-z",
    "--cached",
    "--others",
    "--exclude-standard",
    "--deduplicate",
  ]);
  if (code !== 0) throw new Error(output);
  const deleted = await execute("git", ["ls-files", "-z", "--deleted"]);
  const gone = new Set(deleted.stdout.split("\0"));
  return stdout.split("\0").filter((path) => path !== "" && !gone.has(path));
}

/** Returns the text of each file by path, without binary files and links to folders. */
export async function readTexts(paths: readonly string[]): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const path of paths) {
    const text = await readFile(join(ROOT, path), "utf8").catch(() => "\0");
    if (!text.includes("\0")) texts.set(path, text);
  }
  return texts;
}
