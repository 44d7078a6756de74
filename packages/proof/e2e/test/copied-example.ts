import { execFile } from "node:child_process";
import { cp, mkdir, readdir, realpath, rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "@tercet/cli";

/**
 * Copies an example out of the repository into a folder, as a stranger would: @tercet/gen is the
 * packed one, the other dependencies are those that the lockfile names, from this machine.
 */
export async function copyExample(name: string, folder: string, tarball: string): Promise<string> {
  const [source, copy] = [join(ROOT, "examples", name), join(folder, name)];
  const isSource = (path: string) => !["node_modules", "dist", "gen"].includes(basename(path));
  await cp(source, copy, { recursive: true, filter: isSource });
  const [from, to] = [join(source, "node_modules"), join(copy, "node_modules")];
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    await mkdir(join(to, entry.parentPath.slice(from.length)), { recursive: true });
    await symlink(await realpath(path), join(to, path.slice(from.length)));
  }
  const gen = join(to, "@tercet/gen");
  await rm(gen);
  await mkdir(gen);
  await promisify(execFile)("tar", ["-xzf", tarball, "--strip-components=1", "-C", gen]);
  return copy;
}
