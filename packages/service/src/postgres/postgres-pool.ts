import postgres from "postgres";
import { RequestError } from "../errors.ts";
import {
  type Address,
  isServerReply,
  type Outcome,
  Session,
  SessionError,
  type SessionOptions,
  type Statement,
} from "./postgres-session.ts";
import { observePool, type PoolTelemetry, type PoolUse } from "./postgres-telemetry.ts";

/**
 * The urgency of a statement, least urgent first. "calls": a caller waits, who can be asked to
 * retry. "work": work that has begun and must be finished, as a saga's steps; never refused because
 * the queue is long. "lease": short statements that renew a lease or check the database.
 */
export type Priority = "calls" | "work" | "lease";

export interface PoolOptions extends Omit<SessionOptions, "address"> {
  readonly addresses: readonly Address[];
  readonly size: number;
  /** Labels the pool's metrics. */
  readonly name: string;
  readonly database: string;
}

/** Calls that may wait per connection. At 1 ms for a statement the last one waits 100 ms. */
const QUEUE_PER_CONNECTION = 100;
const MAX_WAIT_MS = 2_000;
/** The resolution of all timeouts of the pool. */
const SWEEP_MS = 100;
/** Nothing ran for longer than this: the process was frozen, or its machine. Not overload. */
const STANDSTILL_MS = 1_000;
const RETRY_AFTER_MS = 1_000;
/** Between attempts to connect; at most a second, so that recovery is noticed soon. */
const BACKOFF = { initialMs: 50, maxMs: 1_000 };
/** Attempts for a statement that the server rolled back because of a concurrent one. */
const CONFLICT = { attempts: 8, initialMs: 5, maxMs: 100 };
const CONFLICT_SQLSTATE = /^(40001|40P01)$/;

/** Whether the server rolled the statement back because of a concurrent one. */
export const isConflict = (error: unknown): boolean =>
  error instanceof postgres.PostgresError && CONFLICT_SQLSTATE.test(error.code);

/** A statement on its way through the pool. */
interface Entry {
  readonly statement: Statement;
  readonly priority: Priority;
  /** Ends its span. */
  readonly observed: (error?: unknown) => void;
  attempts: number;
  settled: boolean;
  /** Of its wait in the queue. */
  expiresAt: number;
}

/**
 * Sessions behind a bounded queue. Every wait is bounded: for a session by MAX_WAIT_MS, for the
 * next attempt to connect by the backoff, for a reply by the session. Some sessions are reserved
 * for the higher priorities, which also go first.
 */
export class Pool {
  readonly #options: PoolOptions;
  /** A statement starts only below this number of running ones. */
  readonly #limits: Readonly<Record<Priority, number>>;
  readonly #waiting: Readonly<Record<Priority, Set<Entry>>> = {
    lease: new Set(),
    work: new Set(),
    calls: new Set(),
  };
  readonly #pending = new Set<Entry>();
  readonly #sessions = new Set<Session>();
  /** Last in, first out. */
  readonly #idle: Session[] = [];
  #busy = 0;
  /** Why the database was last unreachable; undefined once it has replied again. */
  #down: unknown;
  #failures = 0;
  #connectAt = 0;
  #address = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #sweptAt = 0;
  #ended: Promise<void> | undefined;
  #drained = () => {};
  readonly #telemetry: PoolTelemetry;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#limits = limitsOf(options.size);
    this.#telemetry = observePool(options.name, options.database, () => this.#use());
  }

  admit(statement: Statement, priority: Priority): void {
    if (this.#ended !== undefined) return void statement.reject(ended());
    const entry: Entry = {
      statement,
      priority,
      observed: this.#telemetry.statement(statement),
      attempts: 1,
      settled: false,
      expiresAt: 0,
    };
    const free = this.#busy < this.#limits[priority];
    const full = this.#waiting[priority].size >= this.#options.size * QUEUE_PER_CONNECTION;
    this.#pending.add(entry);
    if (!free && full && priority === "calls") return void this.#refuse(entry);
    this.#startSweeper();
    if (free) this.#start(entry);
    else this.#wait(entry);
  }

  /** For how long the oldest waiting statement has waited, in milliseconds; 0 if none waits. */
  waitMs(): number {
    const expiries = Object.values(this.#waiting).flatMap(([first]) => first?.expiresAt ?? []);
    if (expiries.length === 0) return 0;
    return Math.max(0, performance.now() + MAX_WAIT_MS - Math.min(...expiries));
  }

  /** Waits for open statements, at most `timeout` seconds if given, then closes all sessions. */
  end({ timeout }: { timeout?: number } = {}): Promise<void> {
    this.#ended ??= this.#end(timeout);
    return this.#ended;
  }

  async #end(timeout: number | undefined): Promise<void> {
    const { promise: drained, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    if (this.#pending.size === 0) resolve();
    const late = timeout === undefined ? undefined : setTimeout(resolve, timeout * 1_000);
    await drained;
    clearTimeout(late);
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
    this.#waiting[entry.priority].add(entry);
    entry.expiresAt = performance.now() + MAX_WAIT_MS;
  }

  #startSweeper(): void {
    if (this.#sweeper !== undefined) return;
    this.#sweptAt = performance.now();
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  #sweep(): void {
    const now = performance.now();
    const lateMs = now - this.#sweptAt - SWEEP_MS;
    this.#sweptAt = now;
    if (lateMs > STANDSTILL_MS) this.#postpone(lateMs);
    for (const session of this.#sessions) session.expire(now);
    for (const [priority, entries] of Object.entries(this.#waiting))
      for (const entry of entries) {
        // The first has waited longest.
        if (entry.expiresAt > now) break;
        this.#waiting[priority as Priority].delete(entry);
        this.#refuse(entry);
      }
    if (this.#pending.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  /** Time in which nothing ran counts for no wait: replies may have come, and were not read. */
  #postpone(ms: number): void {
    for (const session of this.#sessions) session.postpone(ms);
    for (const entries of Object.values(this.#waiting))
      for (const entry of entries) entry.expiresAt += ms;
  }

  /** Counts as running from now on, also while it waits for its session. */
  #start(entry: Entry): void {
    this.#busy++;
    const session = this.#takeIdle();
    if (session !== undefined) return void this.#execute(entry, session);
    const delayMs = this.#connectAt - performance.now();
    if (delayMs <= 0) return void this.#execute(entry, this.#open());
    setTimeout(() => this.#execute(entry, this.#takeIdle() ?? this.#open()), delayMs);
  }

  #execute(entry: Entry, session: Session): void {
    if (entry.settled) this.#release(session);
    else
      session.execute(entry.statement, (outcome) => {
        this.#record(session, outcome);
        if ("error" in outcome && isConflict(outcome.error) && entry.attempts < CONFLICT.attempts)
          this.#retry(entry);
        else this.#settle(entry, outcome);
        this.#release(session);
      });
  }

  /** Safe: the server rolled back all of it, as it is its own transaction. */
  #retry(entry: Entry): void {
    const boundMs = Math.min(CONFLICT.maxMs, CONFLICT.initialMs * 2 ** entry.attempts++);
    setTimeout(() => {
      if (entry.settled) return;
      if (this.#busy < this.#limits[entry.priority]) this.#start(entry);
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

  #release(session: Session): void {
    if (session.usable) this.#idle.push(session);
    else this.#discard(session);
    this.#busy--;
    for (const priority of ["lease", "work", "calls"] as const)
      for (const entry of this.#waiting[priority]) {
        if (this.#busy >= this.#limits[priority]) break;
        this.#waiting[priority].delete(entry);
        this.#start(entry);
      }
  }

  #record(session: Session, outcome: Outcome): void {
    if ("result" in outcome || isServerReply(outcome.error)) {
      this.#down = undefined;
      this.#failures = this.#connectAt = 0;
      return;
    }
    this.#down = outcome.error;
    // A silent server is silent on its other connections too: do not wait for each to time out.
    if (isSilence(outcome.error)) for (const idle of this.#idle.splice(0)) this.#discard(idle);
    if (session.established) return;
    this.#address++;
    const boundMs = Math.min(BACKOFF.maxMs, BACKOFF.initialMs * 2 ** this.#failures++);
    this.#connectAt = performance.now() + boundMs * (0.5 + Math.random() / 2);
    if (![...this.#sessions].some((other) => other.usable)) this.#refuseAll();
  }

  /** No server can be reached: fails what waits now, while its callers have time left. */
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

  /** Tells an unreachable database from a busy one. */
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

/** Of 10 sessions, calls may take 7 and work 9; of 3, 1 and 2. */
function limitsOf(size: number): Record<Priority, number> {
  return {
    lease: size,
    work: Math.max(1, size - 1),
    calls: Math.max(1, size - Math.max(2, Math.floor(size * 0.3))),
  };
}

const isSilence = (error: unknown): boolean =>
  error instanceof SessionError && error.code === "CONNECTION_TIMED_OUT";

const ended = () => new SessionError("CONNECTION_ENDED", "the pool was closed");
