/** `pnpm verify`: checks everything that can be checked without running the system. */

import { parseArgs } from "node:util";
import { type Check, isInstalled, type Outcome } from "@tercet/cli/repository";
import { checks } from "./checks/checks.ts";
import { goTools } from "./go-tools.ts";

// parseArgs, not runCommand of @tercet/cli: that one loads every service host before the first
// check.
const AT_ONCE = 2;

const usage = `Usage: pnpm verify [--only NAME]... [--strict]

Checks everything that can be checked without running the system: these checks, ${AT_ONCE} at a time.
Prints the output of those that fail.

${checks.map(({ name, what }) => `  ${name.padEnd(14)}${what}`).join("\n")}

Options:
  --only NAME  run only these checks
  --strict     fail if a check is skipped, for example because a tool is not installed

Environment:
  BUF_BREAKING_AGAINST  the commit that buf-breaking compares with; default: the fork point from main
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", short: "h" },
      only: { type: "string", multiple: true },
      strict: { type: "boolean" },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const unknown = values.only?.filter((name) => !checks.some((check) => check.name === name)) ?? [];
  if (unknown.length > 0) {
    process.stderr.write(`no check is named ${unknown.join(", ")}\n\n${usage}`);
    return 2;
  }
  const outcomes = await runAll(checks.filter(({ name }) => values.only?.includes(name) ?? true));
  const count = (kind: Outcome["kind"]) =>
    outcomes.filter((outcome) => outcome.kind === kind).length;
  process.stdout.write(
    `${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped\n`,
  );
  return count("failed") > 0 || (values.strict === true && count("skipped") > 0) ? 1 : 0;
}

async function runAll(chosen: readonly Check[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = chosen.values();
  // One iterator for all workers, so that each check is taken once.
  const work = async () => {
    for (const check of waiting) outcomes.push(await runOne(check));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return outcomes;
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
