import { runPairs, runStorm } from "@tercet/chaos";
import { afterEach, beforeEach, expect, test } from "vitest";
import { patient } from "./patience.ts";
import { type TestFolder, testFolder } from "./stack.ts";

/** The short forms of `pnpm chaos` and `pnpm chaos pairs`. */
const SEED = Number(process.env["CHAOS_SEED"] ?? 1 + Math.floor(Math.random() * 999_999));
const signal = new AbortController().signal;

let folder: TestFolder;
beforeEach(async () => {
  folder = await testFolder();
});
afterEach(() => folder?.[Symbol.asyncDispose]());

test(`a storm of kills, restarts and broken networks breaches no invariant (CHAOS_SEED=${SEED})`, async () => {
  const options = {
    dataDir: folder.path,
    durationMs: 15_000,
    seed: SEED,
    buyers: 12,
    callGraceMs: patient(250),
    signal,
    onProgress: () => {},
  };
  const { breaches, acknowledged, faults, checks, settledMs } = await runStorm(options);
  expect(breaches).toEqual([]);
  expect(settledMs).toBeLessThan(patient(30_000));
  expect(acknowledged).toBeGreaterThan(20);
  expect(checks).toBeGreaterThan(5);
  const kinds = new Set(faults.map(({ kind }) => kind));
  expect(kinds).toContain("PostgreSQL down");
  expect([...kinds].some((kind) => kind.endsWith("killed"))).toBe(true);
});

test(`a pair of failpoints, the second on the retry, breaches no invariant (CHAOS_SEED=${SEED})`, async () => {
  const result = await runPairs({
    dataDir: folder.path,
    seed: SEED,
    systems: 1,
    limit: 4,
    durationMs: 60_000,
    signal,
    onProgress: () => {},
  });
  expect(result.breaches).toEqual([]);
  expect(result.tried).toBeGreaterThan(0);
  expect(result.both + result.firstOnly).toBeGreaterThan(0);
});
