import type { HeldSaga, SagaState } from "./saga.ts";

/** What happens to sagas, for metrics and logs; every listener is optional, and none may throw. */
export interface SagaObserver {
  /** A worker took it up; `takenOver` when from one that is gone. */
  onHeld?(saga: HeldSaga, takenOver: boolean): void;
  /** It moved to this state or step; the business's row may have changed with it. */
  onMoved?(saga: HeldSaga, state: SagaState): void;
  /** An attempt failed; `unknown` when it may have happened all the same. */
  onAttemptFailed?(saga: HeldSaga, error: unknown, unknown: boolean): void;
  onParked?(saga: HeldSaga, error: unknown): void;
  /** A write was refused because the saga belongs to somebody else now. */
  onFenced?(saga: HeldSaga): void;
  /**
   * The engine's own work failed, most likely because the database did not answer; it goes on by
   * itself.
   */
  onEngineError?(error: unknown): void;
}
