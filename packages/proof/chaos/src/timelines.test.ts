import type { SagaEventRow } from "@tercet/audit";
import { describe, expect, test } from "vitest";
import { staleWrites } from "./timelines.ts";

const event = (worker: string, outcome: string, message = ""): SagaEventRow => ({
  time: "",
  step: "charge",
  action: "RUN",
  outcome,
  message,
  worker,
});
const takeOver = (worker: string) => event(worker, "STARTED", "taken over");

describe("a write is stale", () => {
  test.each<[string, SagaEventRow[]]>([
    [
      "after another worker took the saga over",
      [event("a", "SUCCEEDED"), takeOver("b"), event("a", "SUCCEEDED")],
    ],
    [
      "after yet another one did",
      [takeOver("b"), takeOver("c"), event("b", "SUCCEEDED"), event("c", "SUCCEEDED")],
    ],
    [
      "even between those of the new one",
      [takeOver("b"), event("b", "SUCCEEDED"), event("a", "UNKNOWN"), event("b", "SUCCEEDED")],
    ],
  ])("%s", (_when, events) => {
    expect(staleWrites({ id: "s", events })).toHaveLength(1);
  });
});

describe("a write is not stale", () => {
  test.each<[string, SagaEventRow[]]>([
    [
      "by the worker that took the saga over",
      [event("a", "SUCCEEDED"), takeOver("b"), event("b", "SUCCEEDED")],
    ],
    ["by one that took it back", [takeOver("b"), takeOver("a"), event("a", "SUCCEEDED")]],
    [
      "by the worker that claims it after an attempt that failed",
      [takeOver("b"), event("b", "UNKNOWN"), event("a", "SUCCEEDED")],
    ],
    [
      "by the worker that claims it after an intervention",
      [takeOver("b"), event("c", "STARTED", "cancelled"), event("a", "SUCCEEDED")],
    ],
  ])("%s", (_when, events) => {
    expect(staleWrites({ id: "s", events })).toEqual([]);
  });
});
