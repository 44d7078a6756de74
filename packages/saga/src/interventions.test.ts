import { expect, test } from "vitest";
import { type AnySaga, initial } from "./definition.ts";
import { compensateNow, retryNow } from "./interventions.ts";
import type { OpenState, SagaState } from "./saga.ts";

const worker = { id: "w", name: "host:1" };
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
    expect(compensateNow(stored, definition("backward"), failure, worker)).toMatchObject({
      fence: 3n,
      from: stored.state,
      state: "COMPENSATING",
      step: "call",
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
  ];
  for (const stored of ended)
    expect(compensateNow(stored, definition("backward"), failure, worker)).toBeUndefined();
  expect(compensateNow(saga("RUNNING"), definition("forward"), failure, worker)).toBeUndefined();
});

test("a parked saga is retried in its direction with a new budget, an open one with its old", () => {
  const retried = (state: SagaState, resumeState: OpenState | null = null) =>
    retryNow(saga(state, resumeState), definition("backward"), worker);
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
