export { type Clock, systemClock } from "./clock.ts";
export { BACKOFF, DEFAULTS, LATE } from "./defaults.ts";
export {
  type AnySaga,
  type ApplyMoves,
  definitionOf,
  initial,
  local,
  type Position,
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
export { eventsOf, type StoredEvents } from "./history.ts";
export { type Author, compensateNow, resolveNow, retryNow } from "./interventions.ts";
export {
  advance,
  beginSaga,
  beginSagas,
  type Fragment,
  moveRows,
  type NewSaga,
  type SagaSql,
} from "./moves.ts";
export type { SagaObserver } from "./observer.ts";
export { postgresSagaStore, toResults } from "./postgres-store.ts";
export {
  countSagas,
  findSaga,
  findSagaOf,
  type LateReason,
  listSagas,
  type SagaView,
} from "./queries.ts";
export {
  createMove,
  type HeldSaga,
  isOpen,
  type Move,
  type MoveResult,
  type NewResolution,
  type OpenState,
  RESOLUTION_OUTCOMES,
  type SagaAction,
  type SagaEvent,
  type SagaFailure,
  type SagaRecord,
  type SagaState,
} from "./saga.ts";
export type { Claim, ClaimedSaga, SagaStore, Worker } from "./store.ts";
export type { Acquisition, SagaTracer } from "./tracer.ts";
