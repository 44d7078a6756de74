import type { ApplyMoves, Position } from "./definition.ts";
import type { HeldSaga } from "./saga.ts";

/** A process that works on sagas. */
export interface Worker {
  /** A UUID, new for each start of the process. */
  readonly id: string;
  /** For people: host and process. */
  readonly name: string;
  /**
   * The same for each start of this process, and different from every other process: a pod, a host
   * and port. Null if it has none.
   */
  readonly instance: string | null;
}

export interface Claim {
  readonly worker: Worker;
  readonly limit: number;
  /** Of one fairness key, those it holds included. */
  readonly limitPerKey: number;
  /** How many sagas of each fairness key it holds; the empty key is not in it. */
  readonly heldByKey: ReadonlyMap<string, number>;
  /** A worker not seen for this long has lost its sagas. */
  readonly leaseMs: number;
  /**
   * Other workers may live although they were not seen for a lease: no saga of a worker that is
   * known is taken over.
   */
  readonly sparing: boolean;
  /** From where this worker can continue a saga; it leaves all others alone. */
  readonly known: readonly Position[];
  /** The ids of the sagas it works on. */
  readonly held: readonly string[];
  /** The ids of the sagas it worked on when the database failed. */
  readonly orphaned: readonly string[];
}

export interface ClaimedSaga extends HeldSaga {
  /** It belonged to a worker that has not been seen for a lease. */
  readonly takenOver: boolean;
}

/** What the engine needs of a database. Every method is one statement. */
export interface SagaStore {
  /**
   * Records that the worker is alive, and ends the leases of earlier lives of its instance: their
   * sagas are due at once. If one of them is alive after all, it goes on, and its writes are
   * fenced.
   */
  register(worker: Worker): Promise<void>;
  /** Records that the worker is alive, by the database's clock. */
  heartbeat(worker: Worker): Promise<void>;
  /**
   * Claims due sagas that no living worker holds, and raises their fence. Fairness keys take turns:
   * no key gets a second saga before every other that is due has one. Also reclaims this
   * worker's own sagas if they are orphaned or untouched for a whole lease; never one that was
   * begun after `held` was captured.
   */
  claimDue(claim: Claim): Promise<readonly ClaimedSaga[]>;
  /** Applies moves that change nothing but the saga. */
  readonly move: ApplyMoves;
  /**
   * True if the database refused the statement itself and would refuse it again; false if it could
   * not be reached or was unable to serve.
   */
  isDefect(error: unknown): boolean;
  /**
   * True if the database replied that nothing of the statement took effect; false if that is not
   * known.
   */
  isRolledBack(error: unknown): boolean;
  /** Releases everything the worker holds, and forgets the worker. */
  release(worker: Worker): Promise<void>;
}
