/**
 * Where a saga stands. COMPLETED and COMPENSATED are final; NEEDS_ATTENTION waits for an operator.
 */
export type SagaState =
  | "RUNNING"
  | "COMPENSATING"
  | "COMPLETED"
  | "COMPENSATED"
  | "NEEDS_ATTENTION";

/** The states in which a worker may hold a saga. */
export type OpenState = "RUNNING" | "COMPENSATING";

export type SagaAction = "RUN" | "UNDO";

export type SagaOutcome = "STARTED" | "SUCCEEDED" | "FAILED" | "RETRY_SCHEDULED" | "UNKNOWN";

/** Why a saga turned back. */
export interface SagaFailure {
  /** A constant for programs. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

/** One thing that happened, as it is kept with the saga. */
export interface SagaEvent {
  /** By the database's clock, ISO 8601. */
  readonly time: string;
  readonly step: string;
  readonly action: SagaAction;
  readonly outcome: SagaOutcome;
  /** From 1. */
  readonly attempt: number;
  readonly durationMs: number;
  readonly message: string;
  readonly worker: string;
}

/** An event on its way to the database, which turns its age into a time. */
export interface NewEvent extends Omit<SagaEvent, "time"> {
  /** On the engine's monotonic clock. */
  readonly at: number;
}

/** A saga in the hands of a worker. */
export interface HeldSaga {
  readonly id: string;
  readonly kind: string;
  readonly version: number;
  /** What the saga is about, for the business: the order's id. */
  readonly subject: string;
  readonly input: unknown;
  readonly state: OpenState;
  /** The name of the step it is at. */
  readonly step: string;
  /** How often that step has failed in this direction. */
  readonly attempt: number;
  readonly failure: SagaFailure | null;
  /** What remote steps answered, by step. */
  readonly results: Readonly<Record<string, unknown>>;
  /**
   * Whoever holds the saga writes under this number; each take-over adds one, so an earlier
   * holder's writes no longer match.
   */
  readonly fence: bigint;
  /**
   * What its beginner said of the call that it comes from, for traces and logs; the engine only
   * keeps it.
   */
  readonly origin: Readonly<Record<string, string>>;
  /** Its deadline had passed when it was taken up. */
  readonly overdue: boolean;
}

/** A saga as it is stored, for people and operators. */
export interface SagaRecord extends Omit<HeldSaga, "state" | "overdue"> {
  readonly state: SagaState;
  /** The state a parked saga goes back to. */
  readonly resumeState: OpenState | null;
  readonly owner: string | null;
  readonly nextRunAt: Date;
  readonly lastError: string | null;
  readonly events: readonly SagaEvent[];
  readonly createTime: Date;
  readonly updateTime: Date;
}

/** One transition of one saga: everything that its one statement writes. */
export interface Move {
  readonly sagaId: string;
  /**
   * Written only if the saga still has this fence and this state; else somebody else has taken it,
   * or changed it.
   */
  readonly fence: bigint;
  readonly from: SagaState;
  readonly state: SagaState;
  readonly step: string;
  readonly attempt: number;
  readonly resumeState: OpenState | null;
  readonly failure: SagaFailure | null;
  readonly lastError: string | null;
  readonly results: Readonly<Record<string, unknown>>;
  readonly events: readonly MoveEvent[];
  /** Due again after this many milliseconds. */
  readonly delayMs: number;
  /** The owner lets go; whoever claims it next goes on. */
  readonly release: boolean;
  /** A new deadline, in milliseconds from now; null keeps the old one. */
  readonly budgetMs: number | null;
  /** Shuts out the present holder: for interventions from outside. */
  readonly evict: boolean;
}

export interface MoveEvent extends Omit<NewEvent, "at"> {
  /** Milliseconds between the event and the statement. */
  readonly agoMs: number;
}

/**
 * What became of a move. Not moved and not refused means fenced: the saga belongs to somebody else
 * now.
 */
export interface MoveResult {
  readonly sagaId: string;
  readonly moved: boolean;
  /** The business said no; nothing was written. */
  readonly refused?: SagaFailure;
}
