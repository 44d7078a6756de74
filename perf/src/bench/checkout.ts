import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CommandError, cacheFolder, ROOT } from "@tercet/cli";
import { type ExecaError, execa } from "execa";

/** In node_modules, which git ignores: the revision is installed and built. */
const BUILT = "node_modules/.built";

/** Resolves to the hash of a revision of this repository. Throws CommandError if there is none. */
export async function hashOf(revision: string): Promise<string> {
  const { stdout } = await run("git", ["rev-parse", "--verify", `${revision}^{commit}`], ROOT);
  return stdout.trim();
}

/**
 * Resolves to a folder with a revision of this repository, installed and built by its own commands.
 * It is kept for the next time.
 */
export async function checkoutOf(hash: string, signal: AbortSignal): Promise<string> {
  const folder = join(cacheFolder("tercet-revisions"), hash);
  if (existsSync(join(folder, BUILT))) return folder;
  await mkdir(dirname(folder), { recursive: true });
  // The folder may have been removed without git's knowledge.
  await run("git", ["worktree", "prune"], ROOT);
  if (!existsSync(folder))
    await run("git", ["worktree", "add", "--quiet", "--detach", folder, hash], ROOT);
  await run("npx", ["-y", "pnpm", "install", "--frozen-lockfile"], folder, signal);
  await run("npx", ["-y", "pnpm", "build"], folder, signal);
  await writeFile(join(folder, BUILT), "");
  return folder;
}

async function run(
  command: string,
  args: readonly string[],
  cwd: string,
  cancelSignal?: AbortSignal,
) {
  try {
    return await execa(command, args, {
      cwd,
      stdin: "ignore",
      ...(cancelSignal && { cancelSignal }),
    });
  } catch (error) {
    const { shortMessage, stderr } = error as ExecaError<{ encoding: "utf8" }>;
    throw new CommandError(`${shortMessage}\n${stderr.trim().slice(-2_000)}`, { cause: error });
  }
}
