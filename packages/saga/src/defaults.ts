import type { SagaAction } from "./saga.ts";

/** What `createSagaEngine` uses where its options say nothing. */
export const DEFAULTS = {
  /** A worker not seen for this long loses its sagas to others. */
  leaseMs: 2_000,
  /** How often a worker is seen; at most a quarter of the lease. */
  heartbeatMs: 500,
  /** How often a worker looks for due sagas. A take-over takes at most the lease and one poll. */
  pollMs: 250,
  /** For one attempt of a remote step. */
  stepTimeoutMs: 5_000,
  /** Sagas that one worker holds at once. */
  maxHeld: 256,
  /** Of these, sagas of one fairness key. */
  maxHeldPerKey: 32,
  /** How long `stop` waits for steps in flight before it hands their sagas over. */
  stopGraceMs: 5_000,
} as const;

/** Delays between attempts. */
export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/**
 * By direction. Forward, a customer may be waiting. Back, only the result matters, not the time;
 * the same holds for a saga that only goes forward.
 */
export const BACKOFF: Readonly<Record<SagaAction, Backoff>> = {
  RUN: { initialMs: 100, maxMs: 2_000 },
  UNDO: { initialMs: 200, maxMs: 300_000 },
};

/** When `listSagas` calls an open saga late. */
export const LATE = {
  /** It is older than this. */
  afterMs: 60_000,
  /** Its current step has failed this often in a row. */
  attempts: 5,
} as const;

/** A failure that is a defect of the code is retried this often before the saga is parked. */
export const DEFECT_ATTEMPTS = 5;
