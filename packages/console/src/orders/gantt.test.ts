import { SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { expect, test } from "vitest";
import { ran, undid } from "./events.testing.ts";
import { type GanttInput, ganttOf } from "./gantt.ts";

const { FAILED, RETRY_SCHEDULED, STARTED, UNKNOWN } = SagaOutcome;
const gantt = (events: GanttInput["events"], open = false, nowMs = 0) =>
  ganttOf({ createMs: 0, events, open, nowMs });
const row = (name: string, chart: ReturnType<typeof gantt>) =>
  chart.rows.find((each) => each.name === name);
const bars = (name: string, chart: ReturnType<typeof gantt>) =>
  row(name, chart)?.bars.map(({ kind, startMs, endMs }) => [kind, startMs, endMs]);

test("each attempt is a bar from its start to its end, with the wait before the next one", () => {
  const chart = gantt([
    ran("create", 0, 0),
    ran("charge", 20, 500, { outcome: UNKNOWN }),
    ran("charge", 900, 100, { outcome: RETRY_SCHEDULED, attempt: 2 }),
    ran("charge", 1_500, 80, { attempt: 3 }),
    ran("allocate", 1_580, 4),
  ]);
  expect(bars("charge", chart)).toEqual([
    ["unknown", 20, 520],
    ["retry", 900, 1_000],
    ["done", 1_500, 1_580],
  ]);
  expect(row("charge", chart)?.waits).toEqual([
    { startMs: 520, endMs: 900 },
    { startMs: 1_000, endMs: 1_500 },
  ]);
  expect([chart.startMs, chart.endMs]).toEqual([0, 1_584]);
});

test("the steps of the way forward have a row before they begin", () => {
  expect(gantt([]).rows.map(({ name }) => name)).toEqual(["create", "charge", "allocate"]);
});

test("what gives back is in rows of its own, named for what it does", () => {
  const chart = gantt([
    ran("create", 0, 0),
    ran("charge", 0, 10),
    ran("allocate", 10, 10, { outcome: FAILED }),
    undid("charge", 30, 20),
    undid("create", 50, 1),
  ]);
  expect(chart.rows.map(({ name, back }) => [name, back])).toEqual([
    ["create", false],
    ["charge", false],
    ["allocate", false],
    ["refund", true],
    ["close order", true],
  ]);
  expect(bars("allocate", chart)).toEqual([["refused", 10, 20]]);
});

test.each([
  ["the first step of an order without events", [], "create", 0],
  ["the step after one that succeeded", [ran("create", 0, 5)], "charge", 5],
  [
    "the undo of the last step done, after a refusal",
    [ran("create", 0, 0), ran("charge", 0, 10), ran("allocate", 10, 10, { outcome: FAILED })],
    "refund",
    20,
  ],
  [
    "the undo before it, after an undo",
    [
      ran("create", 0, 0),
      ran("charge", 0, 10),
      ran("allocate", 10, 10, { outcome: FAILED }),
      undid("charge", 30, 20),
    ],
    "close order",
    50,
  ],
  [
    "the step at which another worker took the saga",
    [ran("create", 0, 0), ran("charge", 5_000, 0, { outcome: STARTED, worker: "b:2" })],
    "charge",
    5_000,
  ],
  ["the next step of a cancellation", [ran("request", 0, 0)], "refund", 0],
])("of an open order, the running bar is %s", (_, events, name, startMs) => {
  const chart = gantt(events, true, 9_000);
  expect(bars(name, chart)?.at(-1)).toEqual(["running", startMs, 9_000]);
  expect(
    chart.rows.flatMap((each) => each.bars).filter(({ kind }) => kind === "running"),
  ).toHaveLength(1);
});

test("an open order that waits to repeat a step shows the wait up to now, and nothing that runs", () => {
  const chart = gantt([ran("charge", 0, 100, { outcome: UNKNOWN })], true, 700);
  expect(row("charge", chart)?.waits).toEqual([{ startMs: 100, endMs: 700 }]);
  expect(bars("charge", chart)).toEqual([["unknown", 0, 100]]);
});

test("a closed order has nothing that runs", () => {
  expect(bars("charge", gantt([ran("create", 0, 5)], false, 9_000))).toEqual([]);
});

test("a take-over is marked with both workers and the time that it took", () => {
  const chart = gantt([
    ran("create", 0, 0),
    ran("charge", 5, 95),
    ran("allocate", 5_200, 0, { outcome: STARTED, worker: "b:2" }),
    ran("allocate", 5_200, 4, { worker: "b:2" }),
  ]);
  expect(chart.takeOvers).toMatchObject([{ atMs: 5_200, from: "a:1", to: "b:2", afterMs: 5_100 }]);
  expect(bars("allocate", chart)).toEqual([
    ["lost", 100, 5_200],
    ["done", 5_200, 5_204],
  ]);
  expect(row("allocate", chart)?.waits).toEqual([]);
});

test("a cancellation that another worker drives is no take-over", () => {
  const { takeOvers } = gantt([ran("allocate", 0, 1), ran("request", 9, 0, { worker: "b:2" })]);
  expect(takeOvers).toEqual([]);
});
