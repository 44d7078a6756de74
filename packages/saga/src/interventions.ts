import type { AnySaga } from "./definition.ts";
import {
  createMove,
  isOpen,
  type Move,
  type NewResolution,
  type OpenState,
  type SagaFailure,
  type SagaOutcome,
  type SagaRecord,
} from "./saga.ts";
import type { Worker } from "./store.ts";

/** What an intervention reads of a stored saga. */
type StoredSaga = Pick<SagaRecord, "id" | "fence" | "state" | "step" | "resumeState">;

/** Who intervenes, and through which worker. Both are recorded with the saga. */
export interface Author {
  readonly worker: Worker;
  /** The subject of the caller's token. */
  readonly principal: string;
}

/**
 * Returns the move by which an operator makes the saga undo what it has done, beginning with its
 * current step, whose outcome may be unknown. Undefined if the saga cannot be compensated: it has
 * ended, compensates already, or only goes forward.
 */
export function compensateNow(
  saga: StoredSaga,
  definition: AnySaga,
  failure: SagaFailure,
  author: Author,
): Move | undefined {
  if (directionOf(saga) !== "RUNNING" || definition.recovery !== "backward") return undefined;
  return intervention(saga, author, "STARTED", failure.reason, {
    state: "COMPENSATING",
    failure,
    budgetMs: definition.compensationBudgetMs,
  });
}

/**
 * Returns the move by which an operator makes the saga due now. A parked saga continues in the
 * direction it was going, with a new budget. Undefined if the saga has ended.
 */
export function retryNow(saga: StoredSaga, definition: AnySaga, author: Author): Move | undefined {
  const state = directionOf(saga);
  if (state === undefined) return undefined;
  const budgetMs = state === "RUNNING" ? definition.deadlineMs : definition.compensationBudgetMs;
  return intervention(saga, author, "STARTED", "retried by an operator", {
    state,
    budgetMs: saga.state === "NEEDS_ATTENTION" ? budgetMs : null,
  });
}

/**
 * Returns the move by which an operator closes a saga that was settled outside the system.
 * Undefined if the saga has ended, or is RUNNING and could still be compensated. `definition` is
 * undefined if this code does not know the saga's kind.
 */
export function resolveNow(
  saga: StoredSaga,
  definition: AnySaga | undefined,
  { outcome, reference, reason, principal }: NewResolution,
  worker: Worker,
): Move | undefined {
  const isStuck =
    saga.state === "NEEDS_ATTENTION" ||
    saga.state === "COMPENSATING" ||
    (saga.state === "RUNNING" && definition?.recovery === "forward");
  if (!isStuck) return undefined;
  const done = outcome === "WRITTEN_OFF" ? "written off" : "settled outside";
  const message = `${done} (${reference}): ${reason}`;
  return intervention(saga, { worker, principal }, "RESOLVED", message, {
    state: "RESOLVED",
    resolution: { outcome, reference, reason, principal },
  });
}

/** The direction in which the saga goes, or went before it was parked. */
function directionOf({ state, resumeState }: StoredSaga): OpenState | undefined {
  if (state === "NEEDS_ATTENTION") return resumeState ?? undefined;
  return isOpen(state) ? state : undefined;
}

/** Fences off the worker that holds the saga, and releases it at once. */
function intervention(
  saga: StoredSaga,
  { worker, principal }: Author,
  outcome: SagaOutcome,
  message: string,
  change: Partial<Move> & Pick<Move, "state">,
): Move {
  const direction = isOpen(change.state) ? change.state : directionOf(saga);
  const event = {
    step: saga.step,
    action: direction === "RUNNING" ? "RUN" : "UNDO",
    outcome,
    attempt: 1,
    durationMs: 0,
    message,
    worker: worker.name,
    principal,
    agoMs: 0,
  } as const;
  return createMove(saga, {
    ...change,
    step: null,
    events: [event],
    release: true,
    bumpFence: true,
  });
}
