/** `pnpm verify`: checks everything that can be checked without running the system. */

import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import {
  type Check,
  isInstalled,
  type Outcome,
  ROOT,
  scriptArguments,
} from "@tercet/cli/repository";
import { kubeSchemas } from "../infra/checks/kube-schemas.ts";
import { breakingBase, gitIn } from "./checks/breaking.ts";
import { checks, tasks } from "./checks/checks.ts";
import { goTools } from "./go-tools.ts";
import { startTurbo } from "./turbo.ts";

// parseArgs, not runCommand of @tercet/cli: that one loads every service host before the first
// check.
const AT_ONCE = 2;

const usage = `Usage: pnpm verify [--force] [--strict]
       pnpm verify --only NAME... [--strict]

Checks everything that can be checked without running the system, as tasks of turbo.json: a task
whose files have not changed since it passed is not run again. Prints the output of what fails.

${Object.entries(tasks)
  .map(
    ([task, ones]) =>
      `${task}\n${ones.map(({ name, what }) => `  ${name.padEnd(14)}${what}`).join("\n")}`,
  )
  .join("\n")}

Options:
  --only NAME  run only these checks, whatever has changed; may be given several times
  --force      run every task, whatever has changed
  --strict     fail if a check is skipped, for example because a tool is not installed

Environment:
  BUF_BREAKING_AGAINST  the commit that buf-breaking compares with; default: the fork point from main
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = scriptArguments(usage, {
    options: {
      only: { type: "string", multiple: true },
      task: { type: "string" },
      force: { type: "boolean" },
      strict: { type: "boolean" },
    },
  });
  // As turbo runs it.
  if (values.task !== undefined) return (await runAll(tasks[values.task] ?? [])).failed > 0 ? 1 : 0;
  const unknown = values.only?.filter((name) => !checks.some((check) => check.name === name)) ?? [];
  if (unknown.length > 0) {
    process.stderr.write(`no check is named ${unknown.join(", ")}\n\n${usage}`);
    return 2;
  }
  const { passed, failed, skipped } =
    values.only === undefined
      ? await runTasks(values.force === true)
      : await runAll(checks.filter(({ name }) => values.only?.includes(name)));
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  return failed > 0 || (values.strict === true && skipped > 0) ? 1 : 0;
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs all tasks by turbo, and counts what they print, from its cache or not. */
async function runTasks(force: boolean): Promise<Counts> {
  const child = startTurbo(
    [
      ...Object.keys(tasks).map((task) => `//#verify:${task}`),
      ...(force ? ["--force"] : []),
      ...["--continue", "--concurrency=1", "--log-prefix=none", "--log-order=stream"],
      ...["--output-logs=full", "--env-mode=loose"],
    ],
    "inherit",
    { VERIFY_ON: await surroundings() },
  );
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for await (const line of createInterface({ input: child.stdout as Readable })) {
    process.stdout.write(`${line}\n`);
    const [, said] = /^[\w-]+ +(ok|FAILED|skipped:) /.exec(line) ?? [];
    if (said === "ok") counts.passed++;
    if (said === "FAILED") counts.failed++;
    if (said === "skipped:") counts.skipped++;
  }
  if (child.exitCode === null) await once(child, "exit");
  // A task that could not be run said nothing that counts.
  if (child.exitCode !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** What checks depend on beside files: tools and schemas that are there, the commit to compare. */
async function surroundings(): Promise<string> {
  const tools = new Set(checks.flatMap(({ needs }) => needs));
  const there = await Promise.all(
    [...tools].map(async (tool) => ((await isInstalled(tool)) ? tool : `no ${tool}`)),
  );
  const base = await breakingBase(gitIn(ROOT), process.env["BUF_BREAKING_AGAINST"]);
  const schemas = (await kubeSchemas()) ?? "no schemas";
  return [...there, schemas, "commit" in base ? base.commit : base.none].join(", ");
}

async function runAll(chosen: readonly Check[]): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  // One iterator for all workers, so that each check is taken once.
  const waiting = chosen.values();
  const work = async () => {
    for (const check of waiting) counts[(await runOne(check)).kind]++;
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return counts;
}

async function runOne(check: Check): Promise<Outcome> {
  const start = performance.now();
  const outcome = await outcomeOf(check).catch(
    (error: unknown): Outcome => ({ kind: "failed", output: String(error) }),
  );
  const seconds = `${((performance.now() - start) / 1000).toFixed(1)} s`;
  process.stdout.write(`${check.name.padEnd(14)}${describe(outcome)} (${seconds})\n`);
  if (outcome.kind === "failed")
    process.stdout.write(`${outcome.output.trim().replace(/^/gm, "    ")}\n`);
  return outcome;
}

async function outcomeOf({ needs, run }: Check): Promise<Outcome> {
  for (const tool of needs) {
    if (await isInstalled(tool)) continue;
    const how = goTools.some(({ name }) => name === tool) ? `: pnpm tools ${tool}` : "";
    return { kind: "skipped", reason: `${tool} is not installed${how}` };
  }
  return await run();
}

function describe(outcome: Outcome): string {
  if (outcome.kind === "skipped") return `skipped: ${outcome.reason}`;
  return outcome.kind === "passed" ? "ok" : "FAILED";
}
