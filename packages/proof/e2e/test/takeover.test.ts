import { freshSeed, runTakeover } from "@tercet/chaos";
import { afterAll, beforeAll, expect, test } from "vitest";
import { patient } from "./patience.ts";
import { type TestFolder, testFolder } from "./stack.ts";

const LEASE_MS = 1_000;

let folder: TestFolder;
beforeAll(async () => {
  folder = await testFolder();
});
afterAll(() => folder?.[Symbol.asyncDispose]());

test("replicas are killed and frozen: others take their sagas over when the lease expires, and no late write of theirs takes effect", async () => {
  const seed = freshSeed();
  const result = await runTakeover({
    dataDir: folder.path,
    replicas: 4,
    orders: 120,
    seconds: patient(12_000) / 1_000,
    leaseMs: LEASE_MS,
    seed,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  const because = `seed ${seed}`;
  expect(result.violations, because).toEqual([]);
  expect(result.kills, because).toBeGreaterThan(2);
  expect(result.freezes, because).toBeGreaterThan(1);
  expect(result.fencedWrites, because).toBeGreaterThan(0);
  expect(result.delaysMs.count, because).toBeGreaterThan(5);
  expect(result.delaysMs.p99, because).toBeLessThan(LEASE_MS + patient(500));
  expect(Object.values(result.ordersByStatus).reduce((sum, count) => sum + count, 0)).toBe(120);
});
