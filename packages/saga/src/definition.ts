import type { Move, MoveResult, SagaFailure } from "./saga.ts";

/** What a remote step is called with. */
export interface StepCall<Input> {
  readonly input: Input;
  readonly subject: string;
  /** Whom the saga serves; see `HeldSaga`. */
  readonly fairnessKey: string;
  /**
   * A UUID, the same for every attempt of this step of this saga in this direction: the idempotency
   * key for the other system.
   */
  readonly key: string;
  /** Aborts when the attempt has timed out or the process stops. */
  readonly signal: AbortSignal;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** There may have been an earlier attempt, here or by a worker that is gone. */
  readonly repeated: boolean;
}

/**
 * What the undo of a remote step is called with. The step may have happened, or may still happen.
 */
export interface UndoCall<Input> extends StepCall<Input> {
  readonly failure: SagaFailure;
}

/**
 * Applies moves, together with what the step changes in the business's own tables, in one
 * statement: see `moveRows` and `advance`. Returns one result per move, in their order; a refused
 * move does not stop the others. The engine sends in one call what waited while the last one was
 * in flight, each saga once, sorted by saga. A move that is refused among others is sent again
 * alone before it counts as refused.
 */
export type ApplyMoves = (moves: readonly Move[]) => Promise<readonly MoveResult[]>;

/** Done by the statement that begins the saga; its undo ends a saga that compensates. */
export interface InitialStep {
  readonly kind: "initial";
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
  run(call: StepCall<Input>): Promise<void>;
  undo?(call: UndoCall<Input>): Promise<void>;
}

/** A change in the saga's own database. */
export interface LocalStep {
  readonly kind: "local";
  readonly name: string;
  readonly run: ApplyMoves;
  readonly undo?: ApplyMoves;
}

export type Step<Input> = InitialStep | RemoteStep<Input> | LocalStep;

export interface SagaDefinition<Input = unknown> {
  /** "place-order" */
  readonly kind: string;
  /**
   * Stored with each saga; a worker leaves sagas of a version or at a step that it does not know to
   * workers that do. Raise it when stored sagas could not continue with the changed steps, and keep
   * the old definition beside the new one until no saga of the old version is open.
   */
  readonly version: number;
  readonly steps: readonly [InitialStep, ...Step<Input>[]];
  /**
   * What a saga that cannot go on does. Backward: it compensates. Forward (there is no way back):
   * it waits for an operator.
   */
  readonly recovery: "backward" | "forward";
  /** From its start until it compensates, or is parked if it only goes forward. */
  readonly deadlineMs: number;
  /** From the start of compensation until the saga is parked. */
  readonly compensationBudgetMs: number;
  /** The failure of a saga whose deadline passed. */
  readonly deadlineFailure: SagaFailure;
  /**
   * Applies moves that belong to no step (compensate, park, resume) and updates the subject's row.
   */
  readonly syncSubject: ApplyMoves;
  /** Parses the stored input. If it throws, the saga is parked. */
  readonly parse: (input: unknown) => Input;
}

/** A definition whose input only its own steps know. */
// biome-ignore lint/suspicious/noExplicitAny: definitions in one list have different inputs.
export type AnySaga = SagaDefinition<any>;

export const initial = (step: Omit<InitialStep, "kind">): InitialStep => ({
  kind: "initial",
  ...step,
});
export const remote = <Input>(step: Omit<RemoteStep<Input>, "kind">): RemoteStep<Input> => ({
  kind: "remote",
  ...step,
});
export const local = (step: Omit<LocalStep, "kind">): LocalStep => ({ kind: "local", ...step });

/** Returns -1 if this version of the code does not have the step. */
export const stepIndex = (definition: AnySaga, name: string): number =>
  definition.steps.findIndex((step) => step.name === name);

/** Where a stored saga can be: at a step of a version of a kind. */
export interface Position {
  readonly kind: string;
  readonly version: number;
  readonly step: string;
}

/** Returns every position from which these definitions can continue. */
export const positionsOf = (definitions: readonly AnySaga[]): readonly Position[] =>
  definitions.flatMap(({ kind, version, steps }) =>
    steps.map(({ name }) => ({ kind, version, step: name })),
  );

/**
 * Returns the definition that a stored saga began under; if this code does not know its version,
 * the first one of its kind.
 */
export const definitionOf = (
  definitions: readonly AnySaga[],
  { kind, version }: Pick<Position, "kind" | "version">,
): AnySaga | undefined =>
  definitions.find((one) => one.kind === kind && one.version === version) ??
  definitions.find((one) => one.kind === kind);
