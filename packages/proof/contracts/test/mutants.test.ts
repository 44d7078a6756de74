import { table } from "@tercet/cli";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Gate, gates, type Mutant, mutants, mutantsAtOnce } from "./mutants.ts";
import { type Scratch, scratchCopy } from "./scratch.ts";

const PATIENCE = 15 * 60_000;

let scratch: Scratch;
const seen: [mutant: string, gates: string][] = [];

beforeAll(async () => {
  scratch = await scratchCopy();
}, PATIENCE);
afterEach(() => scratch.restore());
afterAll(async () => {
  process.stdout.write(`\n${table([["mutant", "caught by"], ...seen]).join("\n")}\n`);
  await scratch?.[Symbol.asyncDispose]();
});

const ofContracts = (gate: Gate): boolean => gate === "pacts" || gate === "verify";

/** Resolves to the output of each gate that fails on the copy. */
async function failing(asked: readonly Gate[]): Promise<Map<Gate, string>> {
  const failed = await failingChecks(asked.filter((gate) => !ofContracts(gate)));
  for (const gate of asked.filter(ofContracts)) {
    const { ok, output } = await scratch.run(
      "node",
      "--conditions=source",
      "packages/proof/contracts/src/main.ts",
      gate,
    );
    if (!ok) failed.set(gate, output);
  }
  return failed;
}

/** Runs gates of `pnpm verify`. A gate that is skipped fails the test, since it catches nothing. */
async function failingChecks(asked: readonly Gate[]): Promise<Map<Gate, string>> {
  if (asked.length === 0) return new Map();
  const { output } = await scratch.run(
    "node",
    "--conditions=source",
    "scripts/verify.ts",
    ...asked.flatMap((gate) => ["--only", gate]),
  );
  const reports = output.split(/^(?=\S+ +(?:ok|FAILED|skipped))/m);
  const failed = new Map<Gate, string>();
  for (const gate of asked) {
    const report = reports.find((one) => one.startsWith(`${gate} `)) ?? "";
    expect(report, output).toMatch(/^\S+ +(ok|FAILED)/);
    if (/^\S+ +FAILED/.test(report)) failed.set(gate, report);
  }
  return failed;
}

test(
  "the unchanged copy passes every gate",
  async () => expect([...(await failing(gates))]).toEqual([]),
  PATIENCE,
);

const gatesOf = ({ caughtBy }: Mutant): readonly Gate[] =>
  gates.filter((gate) => caughtBy[gate] !== undefined);

function expectCaught(mutant: Mutant, failed: ReadonlyMap<Gate, string>): void {
  const caught = gatesOf(mutant).filter((gate) => failed.has(gate));
  seen.push([mutant.name, caught.join(", ")]);
  expect(caught).toEqual(gatesOf(mutant));
  for (const [gate, says] of Object.entries(mutant.caughtBy))
    expect(failed.get(gate as Gate)).toMatch(says);
}

test.each(mutants)(
  "$name is caught",
  async (mutant) => {
    await mutant.mutate(scratch);
    expectCaught(mutant, await failing(gatesOf(mutant)));
  },
  PATIENCE,
);

describe("mutants at once", () => {
  let failed: ReadonlyMap<Gate, string>;
  beforeAll(async () => {
    for (const { mutate } of mutantsAtOnce) await mutate(scratch);
    failed = await failing([...new Set(mutantsAtOnce.flatMap(gatesOf))]);
  }, PATIENCE);

  test.each(mutantsAtOnce)("$name is caught", (mutant) => expectCaught(mutant, failed));
});
