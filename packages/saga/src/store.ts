import type { HeldSaga, Move, MoveResult } from "./saga.ts";

/** A process that works on sagas. */
export interface Worker {
  /** New for each start of the process. A UUID. */
  readonly id: string;
  /** For people: host and process. */
  readonly name: string;
}

export interface Claim {
  readonly worker: Worker;
  readonly limit: number;
  /** A worker not seen for this many milliseconds has lost its sagas. */
  readonly leaseMs: number;
  /** What this worker knows how to drive. */
  readonly known: readonly { readonly kind: string; readonly version: number }[];
  /** What it has in hand already. */
  readonly held: readonly string[];
  /** What it had in hand when the database did not answer. */
  readonly adrift: readonly string[];
}

export interface ClaimedSaga extends HeldSaga {
  /** It belonged to a worker that has not been seen for a lease. */
  readonly takenOver: boolean;
}

/** What the engine needs of a database. Every method is one statement. */
export interface SagaStore {
  /** Says that the worker is alive, by the database's clock. */
  heartbeat(worker: Worker): Promise<void>;
  /**
   * Takes sagas that are due and that no living worker holds, raising their fence. Of the worker's
   * own it takes those that are adrift, and those that nobody touched for a lease; never one that
   * it began a moment ago, after it said what it holds.
   */
  claimDue(claim: Claim): Promise<readonly ClaimedSaga[]>;
  /** Applies moves that change nothing but the saga. */
  move(moves: readonly Move[]): Promise<readonly MoveResult[]>;
  /**
   * Whether the database refused a statement for what it is, so that it would refuse it again;
   * otherwise it could not be reached, or was not able.
   */
  isDefect(error: unknown): boolean;
  /** Lets go of everything the worker holds, and of the worker itself. */
  release(worker: Worker): Promise<void>;
}
