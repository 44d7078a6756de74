import type { AnySaga } from "./definition.ts";
import {
  createMove,
  isOpen,
  type Move,
  type OpenState,
  type SagaFailure,
  type SagaRecord,
} from "./saga.ts";
import type { Worker } from "./store.ts";

/** What an intervention reads of a stored saga. */
type StoredSaga = Pick<SagaRecord, "id" | "fence" | "state" | "step" | "resumeState">;

/**
 * Returns the move by which an operator makes the saga undo what it has done, beginning with its
 * current step, whose outcome may be unknown. Undefined if the saga cannot be compensated: it has
 * ended, compensates already, or only goes forward. `worker` is recorded as the author.
 */
export function compensateNow(
  saga: StoredSaga,
  definition: AnySaga,
  failure: SagaFailure,
  worker: Worker,
): Move | undefined {
  const direction = saga.state === "NEEDS_ATTENTION" ? saga.resumeState : saga.state;
  if (direction !== "RUNNING" || definition.recovery !== "backward") return undefined;
  return intervention(saga, worker, "COMPENSATING", failure.reason, {
    failure,
    budgetMs: definition.compensationBudgetMs,
  });
}

/**
 * Returns the move by which an operator makes the saga due now. A parked saga continues in the
 * direction it was going, with a new budget. Undefined if the saga has ended.
 */
export function retryNow(saga: StoredSaga, definition: AnySaga, worker: Worker): Move | undefined {
  const parked = saga.state === "NEEDS_ATTENTION";
  const state = parked ? saga.resumeState : saga.state;
  if (state === null || !isOpen(state)) return undefined;
  const budgetMs = state === "RUNNING" ? definition.deadlineMs : definition.compensationBudgetMs;
  return intervention(saga, worker, state, "retried by an operator", {
    budgetMs: parked ? budgetMs : null,
  });
}

/** Fences off the worker that holds the saga, and releases it to any worker at once. */
function intervention(
  saga: StoredSaga,
  worker: Worker,
  state: OpenState,
  message: string,
  change: Partial<Move>,
): Move {
  const event = {
    step: saga.step,
    action: state === "RUNNING" ? "RUN" : "UNDO",
    outcome: "STARTED",
    attempt: 1,
    durationMs: 0,
    message,
    worker: worker.name,
    agoMs: 0,
  } as const;
  return createMove(saga, { ...change, state, events: [event], release: true, bumpFence: true });
}
