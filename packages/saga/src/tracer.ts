import type { HeldSaga, SagaAction } from "./saga.ts";

/** How a saga came into a worker's hands. */
export interface Taking {
  /** It begins here. */
  readonly isNew: boolean;
  /** From a worker that is gone. */
  readonly takenOver: boolean;
}

/**
 * Stands around the engine's work, for traces; calls `work` once, and answers or throws what it
 * does.
 */
export interface SagaTracer {
  /** From taking a saga up until it leaves this worker. */
  drive<T>(saga: HeldSaga, taking: Taking, work: () => Promise<T>): Promise<T>;
  /** One attempt of a step, within a drive. */
  attempt<T>(saga: HeldSaga, action: SagaAction, work: () => Promise<T>): Promise<T>;
}

export const noTracer: SagaTracer = {
  drive: (_saga, _taking, work) => work(),
  attempt: (_saga, _action, work) => work(),
};
