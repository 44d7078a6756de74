import { command, failedWith, type Outcome, ROOT, readTexts } from "@tercet/cli/repository";
import { breakingBase, gitIn } from "./breaking.ts";

const FOLDER = "packages/proof/contracts/golden";

/** Golden vectors by the name of their message. */
type Vectors = Readonly<Record<string, readonly unknown[]>>;

/**
 * The generated code writes and reads each golden vector as it is committed, and every message has
 * its own.
 */
export const checkGoldenVectors = command(
  "node",
  "--conditions=source",
  "packages/proof/contracts/src/main.ts",
  "golden",
);

/**
 * What was sent once must be understood for ever: a vector that others have may not change or go,
 * even where code and vector change together.
 */
export async function checkGoldenGrowth(): Promise<Outcome> {
  const git = gitIn(ROOT);
  const base = await breakingBase(git, process.env["BUF_BREAKING_AGAINST"]);
  if ("none" in base) return { kind: "skipped", reason: base.none };
  const names =
    (await git("ls-tree", "-r", "--name-only", base.commit, FOLDER))?.split("\n").filter(Boolean) ??
    [];
  if (names.length === 0)
    return { kind: "skipped", reason: `${base.commit.slice(0, 12)} has no golden vectors` };
  const now = await readTexts(names);
  const problems: string[] = [];
  for (const name of names) {
    const before = JSON.parse((await git("show", `${base.commit}:${name}`)) ?? "{}") as Vectors;
    problems.push(
      ...lostVectors(before, JSON.parse(now.get(name) ?? "{}") as Vectors).map(
        (problem) => `${name}: ${problem}`,
      ),
    );
  }
  return failedWith(problems);
}

/** Of what was there before, what is not there as it was. */
export function lostVectors(before: Vectors, now: Vectors): string[] {
  return Object.entries(before).flatMap(([message, vectors]) => {
    const there = new Set(now[message]?.map((vector) => JSON.stringify(vector)));
    return vectors
      .filter((vector) => !there.has(JSON.stringify(vector)))
      .map((vector) => `${message} no longer has ${JSON.stringify(vector)}`);
  });
}
