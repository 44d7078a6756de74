import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeEvents, eventsOf } from "./history.ts";
import type { MoveEvent, SagaEvent, SagaOutcome } from "./saga.ts";

const NOW = 1_764_325_678_123;
/** What the database writes around an encoded line. */
const line = (events: readonly MoveEvent[]) => `[${NOW},${encodeEvents(events)}]\n`;

const usual = (step: string): MoveEvent => ({
  step,
  action: "RUN",
  outcome: "SUCCEEDED",
  attempt: 1,
  durationMs: 12,
  message: "",
  worker: "host:1",
  agoMs: 3,
});

test("a usual event is a few bytes", () => {
  expect(line([usual("charge"), { ...usual("allocate"), agoMs: 0 }])).toBe(
    `[${NOW},"host:1",[3,"charge",12],[0,"allocate",12]]\n`,
  );
});

const outcomes: SagaOutcome[] = ["STARTED", "SUCCEEDED", "FAILED", "UNKNOWN", "RESOLVED"];
const event: fc.Arbitrary<MoveEvent> = fc.record(
  {
    step: fc.string(),
    action: fc.constantFrom("RUN" as const, "UNDO" as const),
    outcome: fc.constantFrom(...outcomes),
    attempt: fc.integer({ min: 1, max: 99 }),
    durationMs: fc.nat(10_000),
    message: fc.string({ unit: "binary" }),
    worker: fc.constantFrom("host:1", "host:2"),
    agoMs: fc.nat(10_000),
    principal: fc.string(),
  },
  {
    requiredKeys: [
      "step",
      "action",
      "outcome",
      "attempt",
      "durationMs",
      "message",
      "worker",
      "agoMs",
    ],
  },
);

test("every event is read as it was written, in order", () => {
  fc.assert(
    fc.property(fc.array(fc.array(event, { minLength: 1 }), { minLength: 1 }), (transitions) => {
      const history = transitions.map(line).join("");
      const expected = transitions.flat().map(({ agoMs, ...rest }) => ({
        ...rest,
        time: new Date(NOW - agoMs).toISOString(),
      }));
      expect(eventsOf({ events: [], history })).toEqual(expected);
    }),
  );
});

test("events of an earlier version come first, or in between by their time", () => {
  const { agoMs: _, ...rest } = usual("make");
  const at = (ms: number): SagaEvent => ({ ...rest, time: new Date(ms).toISOString() });
  const before = at(NOW - 1_000);
  const after = at(NOW + 1_000);
  expect(eventsOf({ events: [before], history: "" })).toEqual([before]);
  const all = eventsOf({ events: [before, after], history: line([usual("call")]) });
  expect(all.map(({ step }) => step)).toEqual(["make", "call", "make"]);
});
