import type { HeldSaga, SagaAction } from "./saga.ts";

/** How a worker acquired a saga. */
export interface Acquisition {
  /** The saga begins here. */
  readonly isNew: boolean;
  /** From a worker that is gone. */
  readonly takenOver: boolean;
}

/**
 * Wraps the engine's work in traces. Each method calls `work` once, and returns or throws the same.
 */
export interface SagaTracer {
  /** Describes the present call, to be stored with the saga that it begins. */
  origin(): HeldSaga["origin"];
  /** From when a worker takes the saga up until the saga leaves it. */
  drive<T>(saga: HeldSaga, acquisition: Acquisition, work: () => Promise<T>): Promise<T>;
  /** One attempt of a step, within a drive. */
  attempt<T>(saga: HeldSaga, action: SagaAction, work: () => Promise<T>): Promise<T>;
}

export const noTracer: SagaTracer = {
  origin: () => ({}),
  drive: (_saga, _acquisition, work) => work(),
  attempt: (_saga, _action, work) => work(),
};
