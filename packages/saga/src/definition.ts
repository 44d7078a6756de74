import type { Move, MoveResult, SagaFailure } from "./saga.ts";

/** What a remote step is called with. */
export interface StepCall<Input> {
  readonly input: Input;
  readonly subject: string;
  /**
   * The same for every attempt of this step of this saga, so that the other side can recognise a
   * repetition. A UUID.
   */
  readonly key: string;
  /** Aborts when the attempt has taken too long, or the process stops. */
  readonly signal: AbortSignal;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** There may have been an attempt before this one, here or by a worker that is gone. */
  readonly repeated: boolean;
}

/**
 * What a remote step's undo is called with. The step may have happened, or not, or may still
 * happen.
 */
export interface UndoCall<Input> extends StepCall<Input> {
  readonly failure: SagaFailure;
}

/**
 * Applies moves, and with them what the step changes in the business's own tables, by one statement
 * for all of them; see `movesCte` and `advance`. Answers for each move; one that is refused must
 * not keep its neighbours from moving.
 */
export type ApplyMoves = (moves: readonly Move[]) => Promise<readonly MoveResult[]>;

/** Done by the very statement that starts the saga; its undo ends a saga that turned back. */
export interface BegunStep {
  readonly kind: "begun";
  readonly name: string;
  readonly undo?: ApplyMoves;
}

/**
 * A call to another system, idempotent by its key. Throws RetryableError, TerminalError,
 * RefusedError or UnknownOutcomeError.
 */
export interface RemoteStep<Input> {
  readonly kind: "remote";
  readonly name: string;
  /** The answer is kept with the saga: JSON. */
  run(call: StepCall<Input>): Promise<unknown>;
  undo?(call: UndoCall<Input>): Promise<void>;
}

/** A change in the saga's own database. */
export interface LocalStep {
  readonly kind: "local";
  readonly name: string;
  readonly run: ApplyMoves;
  readonly undo?: ApplyMoves;
}

export type Step<Input> = BegunStep | RemoteStep<Input> | LocalStep;

export interface SagaDefinition<Input = unknown> {
  /** "place-order" */
  readonly kind: string;
  /**
   * Stored with each saga: a worker leaves alone what it does not know. Raise it when stored sagas
   * could not go on under the changed steps.
   */
  readonly version: number;
  /** In order; the first is the one that began it. */
  readonly steps: readonly [BegunStep, ...Step<Input>[]];
  /**
   * What a saga that cannot go on does: turn back and undo, or (where there is no way back) wait
   * for an operator.
   */
  readonly recovery: "backward" | "forward";
  /** From its start until it turns back, or, going forward only, until it is parked. */
  readonly deadlineMs: number;
  /** From turning back until it is parked. */
  readonly compensationBudgetMs: number;
  /** Failure of a saga whose deadline passed. */
  readonly deadlineFailure: SagaFailure;
  /**
   * Applies moves that belong to no step: turning back, parking, resuming. Brings the business's
   * row along.
   */
  readonly reflect: ApplyMoves;
  /** Checks the stored input; throws when it cannot be understood, and the saga is parked. */
  readonly parse: (input: unknown) => Input;
}

/** A definition whose input only its own steps know. */
// biome-ignore lint/suspicious/noExplicitAny: definitions in one list have different inputs.
export type AnySaga = SagaDefinition<any>;

export const begun = (step: Omit<BegunStep, "kind">): BegunStep => ({ kind: "begun", ...step });
export const remote = <Input>(step: Omit<RemoteStep<Input>, "kind">): RemoteStep<Input> => ({
  kind: "remote",
  ...step,
});
export const local = (step: Omit<LocalStep, "kind">): LocalStep => ({ kind: "local", ...step });

/** The step by its name; undefined when this version of the code does not have it. */
export const stepIndex = (definition: AnySaga, name: string): number =>
  definition.steps.findIndex((step) => step.name === name);
