import type { Move, OpenState, SagaDefinition, SagaFailure, Worker } from "@tercet/saga";
import type { SagaView } from "./saga-store.ts";

/**
 * Moves from outside: they shut out whoever holds the saga and make it due at once, for any worker.
 */
function intervention(
  saga: SagaView,
  worker: Worker,
  state: OpenState,
  message: string,
): Omit<Move, "failure" | "budgetMs"> {
  const action = state === "RUNNING" ? "RUN" : "UNDO";
  return {
    sagaId: saga.id,
    fence: saga.fence,
    from: saga.state,
    state,
    step: saga.step,
    attempt: 0,
    resumeState: null,
    lastError: null,
    results: {},
    events: [
      {
        step: saga.step,
        action,
        outcome: "STARTED",
        attempt: 1,
        durationMs: 0,
        message,
        worker: worker.name,
        agoMs: 0,
      },
    ],
    delayMs: 0,
    release: true,
    evict: true,
  };
}

/**
 * The saga undoes what it has done, beginning with the step it is at, whose outcome may be unknown.
 */
export function turnBack(
  saga: SagaView,
  failure: SagaFailure,
  definition: Pick<SagaDefinition, "compensationBudgetMs">,
  worker: Worker,
): Move {
  return {
    ...intervention(saga, worker, "COMPENSATING", failure.reason),
    failure,
    budgetMs: definition.compensationBudgetMs,
  };
}

/** The saga is due now; a parked one goes on in the direction it was going, with a new budget. */
export function retryNow(
  saga: SagaView,
  definition: Pick<SagaDefinition, "deadlineMs" | "compensationBudgetMs">,
  worker: Worker,
): Move {
  const parked = saga.state === "NEEDS_ATTENTION";
  const state = (parked ? saga.resumeState : saga.state) as OpenState;
  const budgetMs = state === "RUNNING" ? definition.deadlineMs : definition.compensationBudgetMs;
  return {
    ...intervention(saga, worker, state, "retried by an operator"),
    failure: null,
    budgetMs: parked ? budgetMs : null,
  };
}
