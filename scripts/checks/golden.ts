import { failedWith, type Outcome, ROOT, readTexts } from "@tercet/cli/repository";
import { breakingBase, gitIn } from "./breaking.ts";

const FOLDER = "packages/proof/contracts/golden";

/** Golden vectors by the name of their message. */
type Vectors = Readonly<Record<string, readonly unknown[]>>;

/**
 * Messages that were once sent must stay readable: a vector of the base commit may not change or
 * disappear, even if code and vector change together.
 */
export async function checkGoldenGrowth(): Promise<Outcome> {
  const git = gitIn(ROOT);
  const base = await breakingBase(git, process.env["BUF_BREAKING_AGAINST"]);
  if ("none" in base) return { kind: "skipped", reason: base.none };
  const listed = (await git("ls-tree", "-r", "--name-only", base.commit, FOLDER)) ?? "";
  const names = listed.split("\n").filter(Boolean);
  if (names.length === 0)
    return { kind: "skipped", reason: `${base.commit.slice(0, 12)} has no golden vectors` };
  const now = await readTexts(names);
  const problems: string[] = [];
  for (const name of names) {
    const before = JSON.parse((await git("show", `${base.commit}:${name}`)) ?? "{}") as Vectors;
    const lost = lostVectors(before, JSON.parse(now.get(name) ?? "{}") as Vectors);
    problems.push(...lost.map((problem) => `${name}: ${problem}`));
  }
  return failedWith(problems);
}

/** Returns the earlier vectors that are missing or different now. */
export function lostVectors(before: Vectors, now: Vectors): string[] {
  return Object.entries(before).flatMap(([message, vectors]) => {
    const there = new Set(now[message]?.map((vector) => JSON.stringify(vector)));
    return vectors
      .filter((vector) => !there.has(JSON.stringify(vector)))
      .map((vector) => `${message} no longer has ${JSON.stringify(vector)}`);
  });
}
