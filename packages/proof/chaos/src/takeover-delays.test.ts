import type { SagaEventRow } from "@tercet/audit";
import { expect, test } from "vitest";
import type { FaultRecord } from "./fault-log.ts";
import { takeOvers } from "./takeover-delays.ts";

const event = (ms: number, worker: string, outcome = "SUCCEEDED", message = ""): SagaEventRow => ({
  time: new Date(ms).toISOString(),
  step: "charge",
  action: "RUN",
  outcome,
  message,
  worker,
});
const takeOver = (ms: number, worker: string) => event(ms, worker, "STARTED", "taken over");
const killed = (from: number, worker: string): FaultRecord => ({
  kind: "order killed",
  from,
  to: from + 1_000,
  worker,
});
const WINDOW_MS = 3_000;

test("the delay is counted from the death of the worker that held the saga", () => {
  const timelines = [[event(100, "a"), takeOver(12_500, "b")]];
  expect(takeOvers(timelines, [killed(10_000, "a")], WINDOW_MS)).toMatchObject({
    count: 1,
    delaysMs: { count: 1, max: 2_500 },
  });
});

test("a slow one counts, however slow", () => {
  const timelines = [[event(100, "a"), takeOver(30_000, "b")]];
  expect(takeOvers(timelines, [killed(10_000, "a")], WINDOW_MS).delaysMs.max).toBe(20_000);
});

test("what a worker began after it was frozen is not measured from there", () => {
  const frozen: FaultRecord = { kind: "order frozen", from: 10_000, to: 14_000, worker: "a" };
  const timelines = [[event(20_000, "a"), takeOver(23_000, "b")]];
  expect(takeOvers(timelines, [frozen], WINDOW_MS)).toMatchObject({
    count: 1,
    delaysMs: { count: 0 },
  });
});

test("one that the database's absence delayed is counted, and not measured; nor is one from a worker that lives", () => {
  const down: FaultRecord = { kind: "PostgreSQL down", from: 11_000, to: 12_000 };
  const timelines = [
    [event(100, "a"), takeOver(14_000, "b")],
    [event(100, "c"), takeOver(14_000, "b")],
  ];
  expect(takeOvers(timelines, [killed(10_000, "a"), down], WINDOW_MS)).toMatchObject({
    count: 2,
    delaysMs: { count: 0 },
  });
});
