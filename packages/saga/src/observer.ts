import type { HeldSaga, Move, SagaRecord, SagaState } from "./saga.ts";

/** Callbacks for metrics and logs. Each is optional; none may throw. */
export interface SagaObserver {
  /** A saga was begun in this process, and stored. */
  onStarted?(saga: HeldSaga): void;
  /** A worker took the saga up; `takenOver` if from a worker that is gone. */
  onHeld?(saga: HeldSaga, takenOver: boolean): void;
  /** The saga moved to this state or step; its subject may have changed too. */
  onMoved?(saga: HeldSaga, state: SagaState): void;
  /** An attempt failed; `unknown` if it may have happened nevertheless. */
  onAttemptFailed?(saga: HeldSaga, error: unknown, unknown: boolean): void;
  /** An operator or customer moved the saga: `saga` is as it was before. */
  onIntervened?(saga: SagaRecord, move: Move): void;
  onParked?(saga: HeldSaga, error: unknown): void;
  /** A write was refused because another worker has the saga now. */
  onFenced?(saga: HeldSaga): void;
  /**
   * The engine's own work failed, most likely because the database is not available. It retries.
   */
  onEngineError?(error: unknown): void;
}
