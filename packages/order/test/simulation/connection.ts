import type { Move, MoveResult, SagaStore, Worker } from "@tercet/saga";
import type { Journal } from "./journal.ts";
import type { MemoryDatabase } from "./memory-database.ts";
import type { Process } from "./process.ts";
import { FAULTS_END_MS, type Profile } from "./profile.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** A fault of the database, for all connections. */
export interface DatabaseFaults {
  /** No statement arrives before this time. */
  downUntil: number;
}

export interface ConnectionDependencies {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly profile: Profile;
  readonly journal: Journal;
  readonly database: MemoryDatabase;
  readonly faults: DatabaseFaults;
}

/** The database refused the statement, and nothing of it took effect: a lock that was not free. */
class RefusedStatement extends Error {}

/** A statement that its client believes lost is executed within the server's statement timeout. */
const LATE_MS = 10_000;

/**
 * The connection of one process to the database. A statement takes time and takes effect at one
 * instant; some never arrive, and some replies are lost.
 */
export class Connection {
  readonly #deps: ConnectionDependencies;
  readonly #process: Process;

  constructor(deps: ConnectionDependencies, process: Process) {
    this.#deps = deps;
    this.#process = process;
  }

  /** A statement that applies these moves together. */
  async apply(
    moves: readonly Move[],
    statement: (database: MemoryDatabase) => readonly MoveResult[],
  ): Promise<readonly MoveResult[]> {
    const { journal } = this.#deps;
    if (moves.length === 1) return await this.query(statement);
    journal.saw("moves applied in a group");
    try {
      return await this.query(statement);
    } catch (error) {
      if (error instanceof RefusedStatement) journal.saw("group rolled back");
      throw error;
    }
  }

  query<T>(statement: (database: MemoryDatabase) => T): Promise<T> {
    const { time, random, profile, database, journal } = this.#deps;
    const { resolve, reject, promise } = Promise.withResolvers<T>();
    const fail = (ms: number) =>
      void this.#process.deliver(ms, () =>
        reject(new Error("the connection to the database was lost")),
      );
    const there = random.skewed(1, 100);
    const back = random.skewed(1, 100);
    if (this.#fails(profile.statementLost)) fail(there + back);
    else if (this.#fails(profile.statementLate)) {
      journal.saw("statement executed late");
      fail(there);
      time.after(there + random.skewed(1, LATE_MS), () => void statement(database));
    } else {
      time.after(there, () => {
        if (time.now < this.#deps.faults.downUntil) return fail(back);
        if (this.#fails(profile.statementRefused))
          return void this.#process.deliver(back, () => reject(new RefusedStatement("refused")));
        const reply = statement(database);
        if (!this.#fails(profile.statementReplyLost))
          return void this.#process.deliver(back, () => resolve(reply));
        journal.saw("statement's reply lost");
        fail(back);
      });
    }
    return promise;
  }

  #fails(probability: number): boolean {
    return this.#deps.time.now < FAULTS_END_MS && this.#deps.random.chance(probability);
  }
}

/** The engine's store on this connection. */
export function memoryStore(connection: Connection, worker: () => Worker): SagaStore {
  return {
    register: (starting) => connection.query((database) => database.register(starting)),
    heartbeat: (beating) => connection.query((database) => database.heartbeat(beating)),
    claimDue: (claim) => connection.query((database) => database.claimDue(claim)),
    move: (moves) => connection.apply(moves, (database) => database.move(moves, worker())),
    // Simulated failures are faults of the connection, never of the statement.
    isDefect: () => false,
    isRolledBack: (error) => error instanceof RefusedStatement,
    release: (stopping) => connection.query((database) => database.release(stopping)),
  };
}
