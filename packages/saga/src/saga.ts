/**
 * The states of a saga, and what moves it:
 *
 *                        step refused, deadline passed, operator
 *     begin --> RUNNING --------------------------------------> COMPENSATING
 *               |  |  ^                                         ^  |  |
 *     last step |  |  | retry                             retry |  |  | first step
 *          done |  |  |                       or compensate now |  |  | undone
 *               v  |  |                                         |  |  v
 *       COMPLETED  |  `----------- NEEDS_ATTENTION -------------'  |  COMPENSATED
 *                  |                  ^       ^                    |
 *                  `------------------'       `--------------------'
 *       defect; or any lasting failure         undo refused, defect,
 *       of a saga that only goes forward       or budget spent
 *
 *     NEEDS_ATTENTION, COMPENSATING, or RUNNING if the saga only goes forward
 *         --> RESOLVED   an operator settled it outside
 */

/** In these states a worker may hold the saga. */
export const OPEN_STATES = ["RUNNING", "COMPENSATING"] as const;

/** These states are final. In RESOLVED, an operator settled the saga outside the system. */
const CLOSED_STATES = ["COMPLETED", "COMPENSATED", "RESOLVED"] as const;

/** NEEDS_ATTENTION waits for an operator. */
export const SAGA_STATES = [...OPEN_STATES, ...CLOSED_STATES, "NEEDS_ATTENTION"] as const;

export type OpenState = (typeof OPEN_STATES)[number];
export type SagaState = (typeof SAGA_STATES)[number];

export const isOpen = (state: SagaState): state is OpenState =>
  state === "RUNNING" || state === "COMPENSATING";

/** The direction in which a step is taken. */
export type SagaAction = "RUN" | "UNDO";

/**
 * RETRY_SCHEDULED: it was refused, for now, or did not begin; it had no effect. UNKNOWN: no
 * response, or a defect of a remote step. RESOLVED: an operator settled the saga outside.
 */
export type SagaOutcome =
  | "STARTED"
  | "SUCCEEDED"
  | "FAILED"
  | "RETRY_SCHEDULED"
  | "UNKNOWN"
  | "RESOLVED";

/** Why a saga compensates. */
export interface SagaFailure {
  /** A constant, for code. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

/** One entry of a saga's history. */
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
  /** Who intervened. Absent for the engine's own attempts. */
  readonly principal?: string;
}

/** What happened to what a saga had still to undo when an operator closed it. */
export const RESOLUTION_OUTCOMES = ["SETTLED_OUTSIDE", "WRITTEN_OFF"] as const;

/** How an operator closes a saga. */
export interface NewResolution {
  readonly outcome: (typeof RESOLUTION_OUTCOMES)[number];
  /** Where the settlement can be found: a bank transfer, a ticket. */
  readonly reference: string;
  /** For people. */
  readonly reason: string;
  readonly principal: string;
}

export interface SagaResolution extends NewResolution {
  /** By the database's clock, ISO 8601. */
  readonly time: string;
}

/** An event that is not stored yet. */
export interface NewEvent extends Omit<SagaEvent, "time"> {
  /** On the engine's monotonic clock. */
  readonly at: number;
}

/** A saga that a worker holds. */
export interface HeldSaga {
  readonly id: string;
  readonly kind: string;
  readonly version: number;
  /** The id of what the saga is about: an order. */
  readonly subject: string;
  readonly input: unknown;
  /**
   * Whom the saga serves: a customer's id. Sagas of one key take turns with those of others, and
   * use a part of a worker at most. Empty: none.
   */
  readonly fairnessKey: string;
  readonly state: OpenState;
  /** The name of its current step. */
  readonly step: string;
  /** How often that step has failed in this direction. */
  readonly attempt: number;
  readonly failure: SagaFailure | null;
  /** The last failure of a step, for people. */
  readonly lastError: string | null;
  /**
   * A number that each claim and each intervention raises. A holder writes only under the number
   * it was given, so that the writes of an earlier holder no longer match.
   */
  readonly fence: bigint;
  /** About the call that began the saga, for traces and logs. The engine only stores it. */
  readonly origin: Readonly<Record<string, string>>;
  /** Its deadline had passed when it was claimed. */
  readonly overdue: boolean;
}

/** A stored saga. */
export interface SagaRecord extends Omit<HeldSaga, "state" | "overdue"> {
  readonly state: SagaState;
  /** The state that a parked saga returns to. */
  readonly resumeState: OpenState | null;
  readonly owner: string | null;
  readonly nextRunAt: Date;
  /** Present if the state is RESOLVED. */
  readonly resolution: SagaResolution | null;
  readonly events: readonly SagaEvent[];
  readonly createTime: Date;
  readonly updateTime: Date;
}

/** One transition of one saga: everything that its statement writes. */
export interface Move {
  readonly sagaId: string;
  /** Written only if the saga still has this fence and the state `from`. */
  readonly fence: bigint;
  readonly from: SagaState;
  readonly state: SagaState;
  /** Null keeps the stored one, which the saga's worker may have changed since it was read. */
  readonly step: string | null;
  readonly attempt: number;
  readonly resumeState: OpenState | null;
  /** Null keeps the stored one. */
  readonly failure: SagaFailure | null;
  /** Null keeps the stored one. */
  readonly lastError: string | null;
  /** Null keeps the stored one. */
  readonly resolution: NewResolution | null;
  readonly events: readonly MoveEvent[];
  /** Due again after this time. */
  readonly delayMs: number;
  /** The owner lets go of the saga; any worker may claim it. */
  readonly release: boolean;
  /** A new deadline, from now; null keeps the stored one. */
  readonly budgetMs: number | null;
  /** Raises the fence, so that the present holder cannot write any more: for interventions. */
  readonly bumpFence: boolean;
}

export interface MoveEvent extends Omit<NewEvent, "at"> {
  /** Milliseconds between the event and the statement. */
  readonly agoMs: number;
}

/**
 * Creates a move of the saga as it is stored: to `change.state`, at the same step, due at once,
 * with the same owner and fence, unless `change` says otherwise.
 */
export const createMove = (
  { id, fence, state, step }: Pick<SagaRecord, "id" | "fence" | "state" | "step">,
  change: Partial<Move> & Pick<Move, "state">,
): Move => ({
  sagaId: id,
  fence,
  from: state,
  step,
  attempt: 0,
  resumeState: null,
  failure: null,
  lastError: null,
  resolution: null,
  events: [],
  delayMs: 0,
  release: false,
  budgetMs: null,
  bumpFence: false,
  ...change,
});

/** The outcome of a move. Neither moved nor refused means fenced: another worker has the saga. */
export interface MoveResult {
  readonly sagaId: string;
  readonly moved: boolean;
  /** The business refused it; nothing was written. */
  readonly refused?: SagaFailure;
}
