import { type AttemptContext, attempt, stepKey } from "./attempt.ts";
import { backoffMs } from "./backoff.ts";
import { BACKOFF, DEFECT_ATTEMPTS } from "./defaults.ts";
import { type AnySaga, type ApplyMoves, type Step, stepIndex } from "./definition.ts";
import { RefusedError, RetryableError, TerminalError, UnknownOutcomeError } from "./errors.ts";
import type { SagaObserver } from "./observer.ts";
import {
  createMove,
  type HeldSaga,
  isOpen,
  type Move,
  type MoveResult,
  type NewEvent,
  type OpenState,
  type SagaAction,
  type SagaFailure,
  type SagaOutcome,
  type SagaState,
} from "./saga.ts";
import type { SagaStore, Worker } from "./store.ts";
import type { SagaTracer } from "./tracer.ts";

export interface DriveContext extends AttemptContext {
  readonly worker: Worker;
  readonly store: SagaStore;
  readonly observer: SagaObserver;
  readonly tracer: SagaTracer;
  /** The store's own statement. */
  readonly move: ApplyMoves;
  /** Applies one move, in a group with others that wait. */
  readonly applyMove: (apply: ApplyMoves, move: Move) => Promise<MoveResult>;
  /** The saga begins here: no one else has worked on it. */
  readonly isNew: boolean;
  /** Called when the saga was released, due again after `delayMs`. */
  readonly onReleased: (delayMs: number) => void;
}

/** What a write changes; the rest stays as it is. */
type Target = Partial<Omit<Move, "events">> & {
  readonly state: SagaState;
  readonly events?: readonly NewEvent[];
};

/**
 * A saga on its way through this worker: its state in memory, and in the database. The success of a
 * remote step is not written by itself: repeating the step is safe, so its event is written
 * together with the next change, at the latest before a remote step that can be undone.
 */
interface Progress {
  readonly saga: HeldSaga;
  readonly storedState: OpenState;
  readonly storedStep: string;
  readonly events: readonly NewEvent[];
  /** No one can have got further: this worker wrote the stored state, or began the saga. */
  readonly first: boolean;
}

/** The outcome of a write: not moved and not refused means that the saga was lost to another. */
interface Applied {
  readonly moved: boolean;
  readonly refused?: SagaFailure;
  /** Undefined when the saga has left this worker. */
  readonly progress?: Progress;
}

/** The outcome of a step's own write; a defect if the database refused the statement itself. */
type StepApplied = Applied | { readonly defect: unknown };

/**
 * Takes a saga from its stored state to its end, or until it must wait. Serves a saga that just
 * began, one that is due again, and one taken over from a worker that is gone. Resolves when the
 * saga has left this worker; rejects when the database fails.
 */
export async function drive(
  definition: AnySaga,
  saga: HeldSaga,
  context: DriveContext,
): Promise<void> {
  const run = new Drive(definition, context);
  let progress: Progress | undefined = {
    saga,
    storedState: saga.state,
    storedStep: saga.step,
    events: [],
    first: context.isNew,
  };
  while (progress !== undefined) progress = await run.next(progress);
}

class Drive {
  readonly #definition: AnySaga;
  readonly #context: DriveContext;

  constructor(definition: AnySaga, context: DriveContext) {
    this.#definition = definition;
    this.#context = context;
  }

  /** One step further; undefined when the saga has left this worker. */
  async next(progress: Progress): Promise<Progress | undefined> {
    const { saga } = progress;
    const { state, overdue, lastError } = saga;
    const input = this.#parse(saga);
    if ("error" in input) return this.#defect(progress, input.error);
    const step = this.#definition.steps[stepIndex(this.#definition, saga.step)];
    // A worker claims a saga only at a step that it knows.
    if (step === undefined) throw new Error(`${saga.kind} has no step ${saga.step}`);
    if (state === "RUNNING" && overdue)
      return this.#compensate(progress, this.#definition.deadlineFailure, saga.step);
    if (state === "COMPENSATING" && overdue)
      return this.#park(
        progress,
        new Error(`the compensation budget is spent${because(lastError)}`),
      );
    return state === "RUNNING"
      ? this.#run(progress, step, input.value)
      : this.#undo(progress, step, input.value);
  }

  #parse(saga: HeldSaga): { value: unknown } | { error: unknown } {
    try {
      return { value: this.#definition.parse(saga.input) };
    } catch (error) {
      return { error };
    }
  }

  async #run(
    progress: Progress,
    step: Step<unknown>,
    input: unknown,
  ): Promise<Progress | undefined> {
    if (step.kind === "initial") return this.#onward(progress, "RUN");
    if (step.kind === "local") return this.#local(progress, "RUN", step.run);
    // Compensation begins with the stored step: one with an undo is stored before it is called.
    if (step.undo !== undefined && progress.storedStep !== step.name)
      return (await this.#apply(this.#context.move, progress, { state: "RUNNING" })).progress;
    return this.#remote(progress, "RUN", (signal) =>
      step.run({ ...this.#call(progress, "RUN"), input, signal }),
    );
  }

  async #undo(
    progress: Progress,
    step: Step<unknown>,
    input: unknown,
  ): Promise<Progress | undefined> {
    if (step.undo === undefined) return this.#onward(progress, "UNDO");
    if (step.kind !== "remote") return this.#local(progress, "UNDO", step.undo);
    const { syncSubject, deadlineFailure } = this.#definition;
    // Store that the saga compensates before anything is undone: otherwise, after a crash, it could
    // still be completed.
    if (progress.storedState === "RUNNING")
      return (await this.#apply(syncSubject, progress, { state: "COMPENSATING" })).progress;
    const failure = progress.saga.failure ?? deadlineFailure;
    return this.#remote(progress, "UNDO", async (signal) =>
      step.undo?.({ ...this.#call(progress, "UNDO"), input, signal, failure }),
    );
  }

  /** Changes the saga's own database, and moves the saga to its next step, in one statement. */
  async #local(
    progress: Progress,
    action: SagaAction,
    apply: ApplyMoves,
  ): Promise<Progress | undefined> {
    const { saga } = progress;
    const at = this.#context.clock.now();
    const step = this.#following(saga.step, action);
    const result = await this.#applyStep(action, apply, progress, {
      ...(step === undefined ? { state: ENDED[action] } : { state: GOING[action], step }),
      attempt: 0,
      events: [this.#event(saga, action, "SUCCEEDED", at)],
    });
    if ("defect" in result) return this.#retryLater(progress, action, result.defect, at, false);
    const { refused } = result;
    if (refused === undefined) return result.progress;
    if (action === "UNDO") return this.#park(progress, new Error(refused.message));
    const failed = withEvent(progress, this.#event(saga, "RUN", "FAILED", at, refused.message));
    return this.#compensate(failed, refused, this.#following(saga.step, "UNDO"));
  }

  async #remote(
    progress: Progress,
    action: SagaAction,
    call: (signal: AbortSignal) => Promise<void>,
  ): Promise<Progress | undefined> {
    const { saga } = progress;
    const at = this.#context.clock.now();
    try {
      await this.#context.tracer.attempt(saga, action, () =>
        attempt(this.#context, saga.step, call),
      );
      // Not awaited here: a failure of its write is not a failure of the step.
      return this.#onward(withEvent(progress, this.#event(saga, action, "SUCCEEDED", at)), action);
    } catch (error) {
      if (!(error instanceof TerminalError))
        return this.#retryLater(progress, action, error, at, !(error instanceof RetryableError));
      const { reason, message } = error;
      const failed = withEvent(progress, this.#event(saga, action, "FAILED", at, message));
      if (action === "UNDO") return this.#park(failed, error);
      const from = error instanceof RefusedError ? saga.step : this.#following(saga.step, "UNDO");
      return this.#compensate(failed, { reason, message }, from, error);
    }
  }

  /** To the next step in memory; only after the last one is there a write. */
  async #onward(progress: Progress, action: SagaAction): Promise<Progress | undefined> {
    const { saga } = progress;
    const step = this.#following(saga.step, action);
    if (step !== undefined) return { ...progress, saga: { ...saga, step, attempt: 0 } };
    const apply = action === "RUN" ? this.#context.move : this.#definition.syncSubject;
    return (await this.#apply(apply, progress, { state: ENDED[action], attempt: 0 })).progress;
  }

  /**
   * The saga cannot be completed. Backward: it compensates in memory, beginning with the undo of
   * `from`. Forward only: it is parked.
   */
  async #compensate(
    progress: Progress,
    failure: SagaFailure,
    from: string | undefined,
    cause?: unknown,
  ): Promise<Progress | undefined> {
    if (this.#definition.recovery === "forward")
      return this.#park(progress, cause ?? new Error(failure.message));
    const step = from ?? this.#definition.steps[0].name;
    return {
      ...progress,
      saga: { ...progress.saga, state: "COMPENSATING", step, attempt: 0, failure, overdue: false },
    };
  }

  /**
   * Stores when to retry and how often it failed, so that a restart does not forget. `unknown`: the
   * step may have taken effect nevertheless.
   */
  async #retryLater(
    progress: Progress,
    action: SagaAction,
    error: unknown,
    at: number,
    unknown: boolean,
  ): Promise<undefined> {
    const { saga } = progress;
    const { clock, observer, onReleased } = this.#context;
    const defect = !(error instanceof RetryableError || error instanceof UnknownOutcomeError);
    observer.onAttemptFailed?.(saga, error, unknown);
    const outcome = unknown ? "UNKNOWN" : "RETRY_SCHEDULED";
    const event = this.#event(saga, action, outcome, at, messageOf(error));
    const failures = saga.attempt + 1;
    if (defect && failures >= DEFECT_ATTEMPTS) return this.#park(withEvent(progress, event), error);
    const direction = this.#definition.recovery === "forward" ? "UNDO" : action;
    const delayMs = backoffMs(BACKOFF[direction], failures, clock.random);
    const { moved } = await this.#apply(this.#context.move, progress, {
      state: saga.state,
      attempt: failures,
      lastError: messageOf(error),
      events: [event],
      delayMs,
      release: true,
    });
    if (moved) onReleased(delayMs);
  }

  /** The stored input is not understood; nothing was attempted. */
  async #defect(progress: Progress, error: unknown): Promise<undefined> {
    const action = progress.saga.state === "RUNNING" ? "RUN" : "UNDO";
    return this.#retryLater(progress, action, error, this.#context.clock.now(), false);
  }

  async #park(progress: Progress, error: unknown): Promise<undefined> {
    const { saga } = progress;
    const { moved } = await this.#apply(this.#definition.syncSubject, progress, {
      state: "NEEDS_ATTENTION",
      resumeState: saga.state,
      lastError: messageOf(error),
      release: true,
    });
    if (moved) this.#context.observer.onParked?.(saga, error);
  }

  /** Applies a step's own statement; one that the database refuses is a defect of the step. */
  async #applyStep(
    action: SagaAction,
    apply: ApplyMoves,
    progress: Progress,
    target: Target,
  ): Promise<StepApplied> {
    try {
      return await this.#context.tracer.attempt(progress.saga, action, () =>
        this.#apply(apply, progress, target),
      );
    } catch (error) {
      if (this.#context.store.isDefect(error)) return { defect: error };
      throw error;
    }
  }

  /** Writes the target and everything not yet written, in one statement. */
  async #apply(apply: ApplyMoves, progress: Progress, target: Target): Promise<Applied> {
    const { saga } = progress;
    const move = this.#toMove(progress, target);
    const result = await this.#context.applyMove(apply, move);
    if (result.refused !== undefined) return { moved: false, refused: result.refused };
    if (!result.moved) {
      this.#context.observer.onFenced?.(saga);
      return { moved: false };
    }
    const { state, step, attempt, release } = move;
    const storedStep = step ?? saga.step;
    this.#context.observer.onMoved?.(saga, state);
    if (release || !isOpen(state)) return { moved: true };
    return {
      moved: true,
      progress: {
        saga: { ...saga, state, step: storedStep, attempt },
        storedState: state,
        storedStep,
        events: [],
        first: true,
      },
    };
  }

  #toMove({ saga, storedState, events }: Progress, target: Target): Move {
    const now = this.#context.clock.now();
    const all = [...events, ...(target.events ?? [])];
    const startsToCompensate = storedState === "RUNNING" && saga.state === "COMPENSATING";
    return createMove(
      { ...saga, state: storedState },
      {
        attempt: saga.attempt,
        failure: saga.failure,
        budgetMs: startsToCompensate ? this.#definition.compensationBudgetMs : null,
        ...target,
        events: all.map(({ at, ...event }) => ({ ...event, agoMs: Math.max(0, now - at) })),
      },
    );
  }

  #call({ saga, first }: Progress, action: SagaAction) {
    const { id, subject, fairnessKey, step, attempt } = saga;
    return {
      subject,
      fairnessKey,
      key: stepKey(id, step, action),
      attempt: attempt + 1,
      repeated: !first || attempt > 0,
    };
  }

  #event(
    saga: HeldSaga,
    action: SagaAction,
    outcome: SagaOutcome,
    at: number,
    message = "",
  ): NewEvent {
    return {
      step: saga.step,
      action,
      outcome,
      attempt: saga.attempt + 1,
      durationMs: Math.round(this.#context.clock.now() - at),
      message,
      worker: this.#context.worker.name,
      at,
    };
  }

  /** The step after this one in this direction; undefined after the last. */
  #following(step: string, action: SagaAction): string | undefined {
    const index = stepIndex(this.#definition, step) + (action === "RUN" ? 1 : -1);
    return this.#definition.steps[index]?.name;
  }
}

const GOING = { RUN: "RUNNING", UNDO: "COMPENSATING" } as const;
const ENDED = { RUN: "COMPLETED", UNDO: "COMPENSATED" } as const;

const withEvent = (progress: Progress, event: NewEvent): Progress => ({
  ...progress,
  events: [...progress.events, event],
});

const because = (lastError: string | null): string =>
  lastError === null ? "" : `; last failure: ${lastError}`;

const MAX_MESSAGE = 500;
const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, MAX_MESSAGE);
