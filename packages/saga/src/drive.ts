import { type AttemptContext, attempt, stepKey } from "./attempt.ts";
import { backoffMs, FORWARD_BACKOFF, UNDO_BACKOFF } from "./backoff.ts";
import {
  type AnySaga,
  type ApplyMoves,
  type RemoteStep,
  type Step,
  stepIndex,
} from "./definition.ts";
import { RefusedError, RetryableError, TerminalError, UnknownOutcomeError } from "./errors.ts";
import type { SagaObserver } from "./observer.ts";
import type {
  HeldSaga,
  Move,
  NewEvent,
  OpenState,
  SagaAction,
  SagaFailure,
  SagaOutcome,
  SagaState,
} from "./saga.ts";
import type { SagaStore, Worker } from "./store.ts";
import type { SagaTracer } from "./tracer.ts";

export interface DriveContext extends AttemptContext {
  readonly worker: Worker;
  readonly store: SagaStore;
  readonly observer: SagaObserver;
  readonly tracer: SagaTracer;
  /** Nobody else has worked on the saga: it begins here. */
  readonly isNew: boolean;
  /** A saga let go of will be due after so many milliseconds. */
  readonly onReleased: (delayMs: number) => void;
}

/** What a write changes; the rest stays as it is. */
type Target = Partial<Omit<Move, "events">> & {
  readonly state: SagaState;
  readonly events?: readonly NewEvent[];
};

/** A failure that is nobody's but the code's is tried this often before the saga is parked. */
const DEFECT_ATTEMPTS = 5;

/**
 * A saga on its way through this worker: where it stands in memory, and where it stands in the
 * database. The answers of remote steps are not written by themselves: running such a step again is
 * safe, so they ride along with the next write.
 */
interface Progress {
  readonly saga: HeldSaga;
  readonly storedState: OpenState;
  readonly events: readonly NewEvent[];
  readonly results: Readonly<Record<string, unknown>>;
  /** Nobody can have been further: this worker wrote where it stands, or began it. */
  readonly first: boolean;
}

/**
 * Takes a saga from where it stands to its end, or to where it must wait. The same function serves
 * a saga that just began, one that is due again, and one taken over from a worker that is gone.
 * Resolves when the saga has left this worker; rejects when the database does not answer.
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
    events: [],
    results: {},
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
    const { state, overdue } = saga;
    const input = this.#parse(saga);
    if ("error" in input) return this.#defect(progress, input.error);
    const step = this.#definition.steps[stepIndex(this.#definition, saga.step)];
    if (step === undefined)
      return this.#defect(progress, new Error(`there is no step ${saga.step}`));
    if (state === "RUNNING" && overdue)
      return this.#giveUp(progress, this.#definition.deadlineFailure, saga.step);
    if (state === "COMPENSATING" && overdue)
      return this.#park(progress, new Error("the time for compensation is over"));
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
    if (step.kind === "remote") return this.#runRemote(progress, step, input);
    if (step.kind === "begun") return this.#stepForward(progress, {});
    const at = this.#context.clock.now();
    const following = this.#following(step.name);
    const event = this.#event(progress.saga, "RUN", "SUCCEEDED", at);
    const target =
      following === undefined
        ? ({ state: "COMPLETED" } as const)
        : ({ state: "RUNNING", step: following } as const);
    const result = await this.#applyStep("RUN", step.run, progress, {
      ...target,
      attempt: 0,
      events: [event],
    });
    if ("defect" in result) return this.#tryLater(progress, "RUN", result.defect, at);
    if (result.refused === undefined) return result.progress;
    const failed = this.#event(progress.saga, "RUN", "FAILED", at, result.refused.message);
    return this.#giveUp(withEvent(progress, failed), result.refused, this.#preceding(step.name));
  }

  async #runRemote(
    progress: Progress,
    step: RemoteStep<unknown>,
    input: unknown,
  ): Promise<Progress | undefined> {
    const { saga } = progress;
    const at = this.#context.clock.now();
    try {
      const result = await this.#context.tracer.attempt(saga, "RUN", () =>
        attempt(this.#context, saga.step, (signal) =>
          step.run({ ...this.#call(progress, step.name, "RUN"), input, signal }),
        ),
      );
      const done = withEvent(progress, this.#event(saga, "RUN", "SUCCEEDED", at));
      return this.#stepForward(done, result === undefined ? {} : { [step.name]: result });
    } catch (error) {
      if (error instanceof TerminalError) {
        const failed = withEvent(progress, this.#event(saga, "RUN", "FAILED", at, error.message));
        const from = error instanceof RefusedError ? step.name : this.#preceding(step.name);
        return this.#giveUp(failed, { reason: error.reason, message: error.message }, from, error);
      }
      return this.#tryLater(progress, "RUN", error, at);
    }
  }

  /**
   * A remote step has answered: go on in memory; only after the last step is there something to
   * write.
   */
  async #stepForward(
    progress: Progress,
    results: Readonly<Record<string, unknown>>,
  ): Promise<Progress | undefined> {
    const { saga } = progress;
    const following = this.#following(saga.step);
    const further = { ...progress, results: { ...progress.results, ...results } };
    if (following !== undefined)
      return { ...further, saga: { ...saga, step: following, attempt: 0 } };
    return (await this.#apply(this.#plain, further, { state: "COMPLETED", attempt: 0 })).progress;
  }

  async #undo(
    progress: Progress,
    step: Step<unknown>,
    input: unknown,
  ): Promise<Progress | undefined> {
    if (step.undo === undefined) return this.#stepBack(progress);
    if (step.kind === "remote") return this.#undoRemote(progress, step, input);
    const at = this.#context.clock.now();
    const event = this.#event(progress.saga, "UNDO", "SUCCEEDED", at);
    const preceding = this.#preceding(step.name);
    const target =
      preceding === undefined
        ? ({ state: "COMPENSATED" } as const)
        : ({ state: "COMPENSATING", step: preceding } as const);
    const result = await this.#applyStep("UNDO", step.undo, progress, {
      ...target,
      attempt: 0,
      events: [event],
    });
    if ("defect" in result) return this.#tryLater(progress, "UNDO", result.defect, at);
    if (result.refused === undefined) return result.progress;
    return this.#park(progress, new Error(result.refused.message));
  }

  async #undoRemote(
    progress: Progress,
    step: RemoteStep<unknown>,
    input: unknown,
  ): Promise<Progress | undefined> {
    const { saga } = progress;
    // That the saga has turned back must be known before money moves back: else, after a crash, it
    // could still be completed.
    if (progress.storedState === "RUNNING")
      return (await this.#apply(this.#definition.reflect, progress, { state: "COMPENSATING" }))
        .progress;
    const at = this.#context.clock.now();
    try {
      const failure = saga.failure ?? this.#definition.deadlineFailure;
      await this.#context.tracer.attempt(saga, "UNDO", () =>
        attempt(this.#context, saga.step, async (signal) =>
          step.undo?.({ ...this.#call(progress, step.name, "UNDO"), input, signal, failure }),
        ),
      );
      return await this.#stepBack(withEvent(progress, this.#event(saga, "UNDO", "SUCCEEDED", at)));
    } catch (error) {
      if (!(error instanceof TerminalError)) return this.#tryLater(progress, "UNDO", error, at);
      return this.#park(
        withEvent(progress, this.#event(saga, "UNDO", "FAILED", at, error.message)),
        error,
      );
    }
  }

  async #stepBack(progress: Progress): Promise<Progress | undefined> {
    const preceding = this.#preceding(progress.saga.step);
    if (preceding !== undefined)
      return { ...progress, saga: { ...progress.saga, step: preceding, attempt: 0 } };
    return (
      await this.#apply(this.#definition.reflect, progress, { state: "COMPENSATED", attempt: 0 })
    ).progress;
  }

  /**
   * The saga cannot be completed. Backward: it turns back in memory, beginning with the undo of
   * `from`. Forward only: it waits for an operator.
   */
  async #giveUp(
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

  /** Stored, so that it is kept through a restart: when, and how often before. */
  async #tryLater(
    progress: Progress,
    action: SagaAction,
    error: unknown,
    at: number,
  ): Promise<undefined> {
    const { saga } = progress;
    const unknown = !(error instanceof RetryableError);
    const known = error instanceof RetryableError || error instanceof UnknownOutcomeError;
    this.#context.observer.onAttemptFailed?.(saga, error, unknown);
    const event = this.#event(
      saga,
      action,
      unknown ? "UNKNOWN" : "RETRY_SCHEDULED",
      at,
      messageOf(error),
    );
    if (!known && saga.attempt + 1 >= DEFECT_ATTEMPTS)
      return this.#park(withEvent(progress, event), error);
    const patient = action === "UNDO" || this.#definition.recovery === "forward";
    const delayMs = backoffMs(
      patient ? UNDO_BACKOFF : FORWARD_BACKOFF,
      saga.attempt + 1,
      this.#context.clock.random,
    );
    const move = {
      state: saga.state,
      attempt: saga.attempt + 1,
      lastError: messageOf(error),
      events: [event],
      delayMs,
      release: true,
    };
    const { moved } = await this.#apply(this.#plain, progress, move);
    if (moved) this.#context.onReleased(delayMs);
  }

  /** What cannot even be understood: a stored input, a step that is not there. */
  async #defect(progress: Progress, error: unknown): Promise<undefined> {
    return this.#tryLater(
      progress,
      progress.saga.state === "RUNNING" ? "RUN" : "UNDO",
      error,
      this.#context.clock.now(),
    );
  }

  async #park(progress: Progress, error: unknown): Promise<undefined> {
    const { saga } = progress;
    const move = {
      state: "NEEDS_ATTENTION",
      resumeState: saga.state,
      lastError: messageOf(error),
      release: true,
    } as const;
    const { moved } = await this.#apply(this.#definition.reflect, progress, move);
    if (moved) this.#context.observer.onParked?.(saga, error);
  }

  /**
   * A step's own statement may be refused for what it is: then that is what failed, and not the
   * database.
   */
  async #applyStep(action: SagaAction, apply: ApplyMoves, progress: Progress, target: Target) {
    try {
      return await this.#context.tracer.attempt(progress.saga, action, () =>
        this.#apply(apply, progress, target),
      );
    } catch (error) {
      if (this.#context.store.isDefect(error)) return { defect: error };
      throw error;
    }
  }

  /** Writes: one statement. Everything not yet written goes along. */
  async #apply(apply: ApplyMoves, progress: Progress, target: Target) {
    const { saga } = progress;
    const move = this.#toMove(progress, target);
    const [result] = await apply([move]);
    if (result?.refused !== undefined) return { moved: false, refused: result.refused };
    if (result?.moved !== true) {
      this.#context.observer.onFenced?.(saga);
      return { moved: false };
    }
    this.#context.observer.onMoved?.(saga, move.state);
    const goesOn = !move.release && (move.state === "RUNNING" || move.state === "COMPENSATING");
    if (!goesOn) return { moved: true };
    const state = move.state as OpenState;
    const moved: Progress = {
      saga: { ...saga, state, step: move.step, attempt: move.attempt },
      storedState: state,
      events: [],
      results: {},
      first: true,
    };
    return { moved: true, progress: moved };
  }

  #toMove({ saga, storedState, events, results }: Progress, target: Target): Move {
    const now = this.#context.clock.now();
    const all = [...events, ...(target.events ?? [])];
    const turnsBack = storedState === "RUNNING" && saga.state === "COMPENSATING";
    return {
      sagaId: saga.id,
      fence: saga.fence,
      from: storedState,
      step: saga.step,
      attempt: saga.attempt,
      resumeState: null,
      failure: saga.failure,
      lastError: null,
      results,
      delayMs: 0,
      release: false,
      budgetMs: turnsBack ? this.#definition.compensationBudgetMs : null,
      evict: false,
      ...target,
      events: all.map(({ at, ...event }) => ({ ...event, agoMs: Math.max(0, now - at) })),
    };
  }

  readonly #plain: ApplyMoves = (moves) => this.#context.store.move(moves);

  #call({ saga, first }: Progress, step: string, action: SagaAction) {
    const { id, subject, attempt } = saga;
    return {
      subject,
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
    const durationMs = Math.round(this.#context.clock.now() - at);
    return {
      step: saga.step,
      action,
      outcome,
      attempt: saga.attempt + 1,
      durationMs,
      message,
      worker: this.#context.worker.name,
      at,
    };
  }

  #following(name: string): string | undefined {
    return this.#definition.steps[stepIndex(this.#definition, name) + 1]?.name;
  }

  #preceding(name: string): string | undefined {
    return this.#definition.steps[stepIndex(this.#definition, name) - 1]?.name;
  }
}

const withEvent = (progress: Progress, event: NewEvent): Progress => ({
  ...progress,
  events: [...progress.events, event],
});

const MAX_MESSAGE = 500;
const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, MAX_MESSAGE);
