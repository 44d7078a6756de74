import { join } from "node:path";
import { execute, type Outcome, passed, ROOT, temporaryFolder } from "@tercet/cli/repository";

/** Runs git; resolves to its trimmed output, or to undefined if it fails. */
export type AskGit = (...args: string[]) => Promise<string | undefined>;

export function gitIn(folder: string): AskGit {
  return async (...args) => {
    const { code, stdout } = await execute("git", args, folder);
    return code === 0 ? stdout.trim() : undefined;
  };
}

export type Base = { commit: string } | { none: string };

/**
 * Returns the commit whose contracts must not be broken: the one in BUF_BREAKING_AGAINST; else the
 * fork point from main; on main itself the previous commit.
 */
export async function breakingBase(git: AskGit, named?: string): Promise<Base> {
  const commit = named
    ? await git("rev-parse", "--verify", "--quiet", `${named}^{commit}`)
    : await forkPoint(git);
  if (commit === undefined) {
    if (named) throw new Error(`BUF_BREAKING_AGAINST=${named} is no commit of this repository`);
    return { none: "there is no earlier commit to compare with" };
  }
  const files = await git("ls-tree", "--name-only", commit, "proto", "buf.yaml");
  return files === "buf.yaml\nproto"
    ? { commit }
    : { none: `${commit.slice(0, 12)} has no proto/ with a buf.yaml` };
}

async function forkPoint(git: AskGit): Promise<string | undefined> {
  const head = await git("rev-parse", "--verify", "--quiet", "HEAD^{commit}");
  if (head === undefined) return undefined;
  const fork =
    (await git("merge-base", "HEAD", "origin/main")) ?? (await git("merge-base", "HEAD", "main"));
  return fork !== undefined && fork !== head
    ? fork
    : git("rev-parse", "--verify", "--quiet", "HEAD~1^{commit}");
}

/**
 * Compares with an archive of that commit. buf's own git reader clones, which fails in worktrees
 * and for commits without a branch.
 */
export async function checkBreaking(): Promise<Outcome> {
  const base = await breakingBase(gitIn(ROOT), process.env["BUF_BREAKING_AGAINST"]);
  if ("none" in base) return { kind: "skipped", reason: base.none };
  await using folder = await temporaryFolder("breaking");
  const archive = join(folder.path, "base.tar");
  const parts = ["proto", "buf.yaml"];
  const exported = await execute("git", ["archive", `--output=${archive}`, base.commit, ...parts]);
  if (exported.code !== 0) return { kind: "failed", output: exported.output };
  const { code, output } = await execute("buf", ["breaking", "--against", archive]);
  return code === 0 ? passed : { kind: "failed", output: `against ${base.commit}:\n${output}` };
}
