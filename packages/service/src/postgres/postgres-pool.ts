import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { RequestError } from "../errors.ts";
import {
  type Address,
  isOfStatement,
  type Outcome,
  Session,
  SessionError,
  type SessionOptions,
  type Statement,
} from "./postgres-session.ts";
import { observePool, type PoolTelemetry, type PoolUse } from "./postgres-telemetry.ts";

/**
 * Who waits for a statement, least urgent first. "calls": a caller, who can be told to come again.
 * "work": what was begun and must be finished, as a saga's steps; never refused for the length of
 * its queue. "lease": short statements that say that this process is alive, or find out whether the
 * database is.
 */
export type Lane = "calls" | "work" | "lease";

export interface PoolOptions extends Omit<SessionOptions, "address"> {
  readonly addresses: readonly Address[];
  readonly size: number;
  /** Of the pool, for people and metrics. */
  readonly name: string;
  readonly database: string;
}

/**
 * For each connection so many calls may wait. At a millisecond for a statement the last of them
 * waits 100 ms.
 */
const QUEUE_PER_CONNECTION = 100;
const MAX_WAIT_MS = 2_000;
/** How exactly waits end. */
const SWEEP_MS = 100;
const RETRY_AFTER_MS = 1_000;
/** Between attempts to connect; a database that is back must be used again within a second. */
const BACKOFF = { initialMs: 50, maxMs: 1_000 };
/** A statement that lost against others, and was undone by the server, is tried so often. */
const CONFLICT = { tries: 8, initialMs: 5, maxMs: 100 };
const CONFLICT_SQLSTATE = /^(40001|40P01)$/;

/** The database undid the statement for the sake of another one that ran at the same time. */
export const isConflict = (error: unknown): boolean =>
  error instanceof postgres.PostgresError && CONFLICT_SQLSTATE.test(error.code);

/** A statement on its way through the pool. */
interface Entry {
  readonly statement: Statement;
  readonly lane: Lane;
  /** Tells that it is over. */
  readonly observed: (error?: unknown) => void;
  tries: number;
  settled: boolean;
  /** When its wait in the queue is over. */
  expiresAt: number;
}

/**
 * Sessions, and a bounded queue before them. Every wait in it ends: for a session by MAX_WAIT_MS,
 * for the next attempt to connect by the backoff, for an answer by the session. The last sessions
 * are kept free for the more urgent lanes, which also go first.
 */
export class Pool {
  readonly #options: PoolOptions;
  /** How many statements there may be under way for one of the lane to begin. */
  readonly #limits: Readonly<Record<Lane, number>>;
  readonly #waiting: Readonly<Record<Lane, Set<Entry>>> = {
    lease: new Set(),
    work: new Set(),
    calls: new Set(),
  };
  readonly #pending = new Set<Entry>();
  readonly #sessions = new Set<Session>();
  /** Used last, used first: the rest may rest. */
  readonly #idle: Session[] = [];
  #busy = 0;
  /** Why the database could not be reached the last time; undefined once it has answered again. */
  #down: unknown;
  #failures = 0;
  #connectAt = 0;
  #address = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #ended: Promise<void> | undefined;
  #drained = () => {};
  readonly #telemetry: PoolTelemetry;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#limits = limitsOf(options.size);
    this.#telemetry = observePool(options.name, options.database, () => this.#use());
  }

  admit(statement: Statement, lane: Lane): void {
    if (this.#ended !== undefined) return void statement.reject(ended());
    const entry: Entry = {
      statement,
      lane,
      observed: this.#telemetry.statement(statement),
      tries: 1,
      settled: false,
      expiresAt: 0,
    };
    const free = this.#busy < this.#limits[lane];
    const full = this.#waiting[lane].size >= this.#options.size * QUEUE_PER_CONNECTION;
    this.#pending.add(entry);
    if (!free && full && lane === "calls") return void this.#refuse(entry);
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS);
    if (free) this.#start(entry);
    else this.#wait(entry);
  }

  /**
   * Lets what is under way finish, for so many seconds; without a limit each statement's own still
   * holds.
   */
  end({ timeout }: { timeout?: number } = {}): Promise<void> {
    this.#ended ??= this.#end(timeout);
    return this.#ended;
  }

  async #end(timeout: number | undefined): Promise<void> {
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
      if (this.#pending.size === 0) resolve();
    });
    const cut = new AbortController();
    const late =
      timeout === undefined
        ? []
        : [sleep(timeout * 1_000, undefined, { signal: cut.signal }).catch(() => {})];
    await Promise.race([drained, ...late]);
    cut.abort();
    for (const waiting of Object.values(this.#waiting)) waiting.clear();
    for (const entry of this.#pending) this.#settle(entry, { error: ended() });
    clearInterval(this.#sweeper);
    this.#telemetry[Symbol.dispose]();
    await Promise.all(
      [...this.#sessions].map((session) =>
        this.#idle.includes(session) ? session.end() : session.close(),
      ),
    );
  }

  #wait(entry: Entry): void {
    this.#waiting[entry.lane].add(entry);
    entry.expiresAt = performance.now() + MAX_WAIT_MS;
  }

  #sweep(): void {
    const now = performance.now();
    for (const session of this.#sessions) session.expire(now);
    for (const [lane, entries] of Object.entries(this.#waiting))
      for (const entry of entries) {
        // The first has waited longest.
        if (entry.expiresAt > now) break;
        this.#waiting[lane as Lane].delete(entry);
        this.#refuse(entry);
      }
    if (this.#pending.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  /** It takes the place of a statement under way, also while it waits for its session. */
  #start(entry: Entry): void {
    this.#busy++;
    const session = this.#takeIdle();
    if (session !== undefined) return void this.#execute(entry, session);
    const delayMs = this.#connectAt - performance.now();
    if (delayMs <= 0) return void this.#execute(entry, this.#open());
    setTimeout(() => this.#execute(entry, this.#takeIdle() ?? this.#open()), delayMs);
  }

  #execute(entry: Entry, session: Session): void {
    if (entry.settled) this.#leave(session);
    else
      session.execute(entry.statement, (outcome) => {
        this.#note(session, outcome);
        if ("error" in outcome && isConflict(outcome.error) && entry.tries < CONFLICT.tries)
          this.#tryAgain(entry);
        else this.#settle(entry, outcome);
        this.#leave(session);
      });
  }

  /** The server has undone it, all of it: it is one statement. */
  #tryAgain(entry: Entry): void {
    const boundMs = Math.min(CONFLICT.maxMs, CONFLICT.initialMs * 2 ** entry.tries++);
    setTimeout(() => {
      if (entry.settled) return;
      if (this.#busy < this.#limits[entry.lane]) this.#start(entry);
      else this.#wait(entry);
    }, boundMs * Math.random());
  }

  #settle(entry: Entry, outcome: Outcome): void {
    if (entry.settled) return;
    entry.settled = true;
    this.#pending.delete(entry);
    if ("error" in outcome) entry.statement.reject(outcome.error);
    else entry.statement.resolve(outcome.result);
    entry.observed("error" in outcome ? outcome.error : undefined);
    if (this.#pending.size === 0) this.#drained();
  }

  #leave(session: Session): void {
    if (session.usable) this.#idle.push(session);
    else this.#discard(session);
    this.#busy--;
    for (const lane of ["lease", "work", "calls"] as const)
      for (const entry of this.#waiting[lane]) {
        if (this.#busy >= this.#limits[lane]) break;
        this.#waiting[lane].delete(entry);
        this.#start(entry);
      }
  }

  #note(session: Session, outcome: Outcome): void {
    if ("result" in outcome || isOfStatement(outcome.error)) {
      this.#down = undefined;
      this.#failures = this.#connectAt = 0;
      return;
    }
    this.#down = outcome.error;
    // A server that has gone silent has done so on its other connections too, and each would take
    // its time to find out.
    if (isSilence(outcome.error)) for (const idle of this.#idle.splice(0)) this.#discard(idle);
    if (session.answered) return;
    this.#address++;
    const boundMs = Math.min(BACKOFF.maxMs, BACKOFF.initialMs * 2 ** this.#failures++);
    this.#connectAt = performance.now() + boundMs * (0.5 + Math.random() / 2);
    if (![...this.#sessions].some((other) => other.usable)) this.#refuseAll();
  }

  /**
   * Nobody is there: whoever waits for a session is told now, while there is time to do something
   * about it.
   */
  #refuseAll(): void {
    for (const waiting of Object.values(this.#waiting)) {
      const entries = [...waiting];
      waiting.clear();
      for (const entry of entries) this.#refuse(entry);
    }
  }

  #takeIdle(): Session | undefined {
    for (;;) {
      const session = this.#idle.pop();
      if (session === undefined || session.usable) return session;
      this.#discard(session);
    }
  }

  #open(): Session {
    const { addresses } = this.#options;
    const address = addresses[this.#address % addresses.length] as Address;
    const session = new Session({ ...this.#options, address });
    this.#sessions.add(session);
    return session;
  }

  #discard(session: Session): void {
    this.#sessions.delete(session);
    session.close();
  }

  #refuse(entry: Entry): void {
    this.#telemetry.timedOut();
    this.#settle(entry, { error: this.#refusal() });
  }

  #use(): PoolUse {
    const pending = Object.values(this.#waiting).reduce((sum, waiting) => sum + waiting.size, 0);
    return { used: this.#busy, idle: this.#idle.length, max: this.#options.size, pending };
  }

  /** Whoever is refused is told which it was: too much to do, or nobody there. */
  #refusal(): Error {
    if (this.#down !== undefined)
      return new SessionError("CONNECTION_DOWN", "the database cannot be reached", {
        cause: this.#down,
      });
    return new RequestError(
      "DATABASE_BUSY",
      "the database is busy; try again later",
      {},
      { retryAfterMs: RETRY_AFTER_MS },
    );
  }
}

/** Of ten sessions callers may take seven and sagas nine; of three, one and two. */
function limitsOf(size: number): Record<Lane, number> {
  return {
    lease: size,
    work: Math.max(1, size - 1),
    calls: Math.max(1, size - Math.max(2, Math.floor(size * 0.3))),
  };
}

const isSilence = (error: unknown): boolean =>
  error instanceof SessionError && error.code === "CONNECTION_TIMED_OUT";

const ended = () => new SessionError("CONNECTION_ENDED", "the pool was closed");
