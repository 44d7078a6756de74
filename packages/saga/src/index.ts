export { type Clock, systemClock } from "./clock.ts";
export {
  type ApplyMoves,
  begun,
  local,
  remote,
  type SagaDefinition,
  type StepCall,
  type UndoCall,
} from "./definition.ts";
export { createSagaEngine, type EngineOptions, type SagaEngine } from "./engine.ts";
export {
  RefusedError,
  RetryableError,
  StepError,
  TerminalError,
  UnknownOutcomeError,
} from "./errors.ts";
export {
  advance,
  beginSaga,
  type Fragment,
  moveRows,
  type NewSaga,
  type SagaSql,
} from "./moves.ts";
export type { SagaObserver } from "./observer.ts";
export { postgresSagaStore, toResults } from "./postgres-store.ts";
export type {
  HeldSaga,
  Move,
  MoveResult,
  OpenState,
  SagaAction,
  SagaEvent,
  SagaFailure,
  SagaRecord,
  SagaState,
} from "./saga.ts";
export { sagas, workers } from "./schema.ts";
export type { SagaStore, Worker } from "./store.ts";
export type { SagaTracer, Taking } from "./tracer.ts";
