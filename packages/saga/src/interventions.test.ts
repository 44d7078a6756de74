import { expect, test } from "vitest";
import { type AnySaga, initial } from "./definition.ts";
import { compensateNow, resolveNow, retryNow } from "./interventions.ts";
import type { OpenState, SagaState } from "./saga.ts";

const author = { worker: { id: "w", name: "host:1", instance: null }, principal: "olivia" };
const failure = { reason: "CANCELLED", message: "no longer wanted" };

const saga = (state: SagaState, resumeState: OpenState | null = null) => ({
  id: "s",
  fence: 3n,
  state,
  step: "call",
  resumeState,
});

const definition = (recovery: AnySaga["recovery"]): AnySaga => ({
  kind: "thing",
  version: 1,
  steps: [initial({ name: "make" })],
  recovery,
  deadlineMs: 1_000,
  compensationBudgetMs: 2_000,
  deadlineFailure: failure,
  syncSubject: async () => [],
  parse: (input) => input,
});

test("a running saga, or one parked while running, can be compensated, with a new budget", () => {
  for (const stored of [saga("RUNNING"), saga("NEEDS_ATTENTION", "RUNNING")])
    expect(compensateNow(stored, definition("backward"), failure, author)).toMatchObject({
      fence: 3n,
      from: stored.state,
      state: "COMPENSATING",
      step: null,
      failure,
      budgetMs: 2_000,
      release: true,
      bumpFence: true,
    });
});

test("a saga that compensates, has ended, or only goes forward cannot be compensated", () => {
  const ended = [
    saga("COMPENSATING"),
    saga("NEEDS_ATTENTION", "COMPENSATING"),
    saga("COMPLETED"),
    saga("COMPENSATED"),
    saga("RESOLVED"),
  ];
  for (const stored of ended)
    expect(compensateNow(stored, definition("backward"), failure, author)).toBeUndefined();
  expect(compensateNow(saga("RUNNING"), definition("forward"), failure, author)).toBeUndefined();
});

test("a parked saga is retried in its direction with a new budget, an open one with its old", () => {
  const retried = (state: SagaState, resumeState: OpenState | null = null) =>
    retryNow(saga(state, resumeState), definition("backward"), author);
  expect(retried("NEEDS_ATTENTION", "RUNNING")).toMatchObject({
    state: "RUNNING",
    budgetMs: 1_000,
  });
  expect(retried("NEEDS_ATTENTION", "COMPENSATING")).toMatchObject({
    state: "COMPENSATING",
    budgetMs: 2_000,
  });
  expect(retried("RUNNING")).toMatchObject({ state: "RUNNING", budgetMs: null, delayMs: 0 });
  expect(retried("COMPLETED")).toBeUndefined();
  expect(retried("COMPENSATED")).toBeUndefined();
});

test("an intervention records who made it", () => {
  const [event] = retryNow(saga("RUNNING"), definition("backward"), author)?.events ?? [];
  expect(event).toMatchObject({ outcome: "STARTED", principal: "olivia", worker: "host:1" });
});

const resolution = {
  outcome: "SETTLED_OUTSIDE",
  reference: "transfer 4711",
  reason: "the card was closed",
  principal: "olivia",
} as const;

test("a parked saga, or one that is being undone, is closed with its resolution", () => {
  const stuck = [
    [saga("NEEDS_ATTENTION", "COMPENSATING"), "backward", "UNDO"],
    [saga("NEEDS_ATTENTION", "RUNNING"), "backward", "RUN"],
    [saga("COMPENSATING"), "backward", "UNDO"],
    [saga("RUNNING"), "forward", "RUN"],
  ] as const;
  for (const [stored, recovery, action] of stuck)
    expect(resolveNow(stored, definition(recovery), resolution, author.worker)).toMatchObject({
      from: stored.state,
      state: "RESOLVED",
      resumeState: null,
      resolution,
      release: true,
      bumpFence: true,
      events: [
        {
          step: "call",
          action,
          outcome: "RESOLVED",
          message: "settled outside (transfer 4711): the card was closed",
          principal: "olivia",
        },
      ],
    });
});

test("a parked saga of a kind that this code does not know can be closed", () => {
  const parked = saga("NEEDS_ATTENTION", "RUNNING");
  expect(resolveNow(parked, undefined, resolution, author.worker)?.state).toBe("RESOLVED");
});

test("a saga that has ended, or could still be compensated, cannot be closed by hand", () => {
  const others = [saga("RUNNING"), saga("COMPLETED"), saga("COMPENSATED"), saga("RESOLVED")];
  for (const stored of others)
    expect(resolveNow(stored, definition("backward"), resolution, author.worker)).toBeUndefined();
});
