import { connect, Socket } from "node:net";
import postgres from "postgres";

/**
 * A statement of the driver, by three private fields of it. `handler` is called when the statement
 * is awaited, never for a fragment of another one. The driver settles it by `resolve` or `reject`,
 * which can be replaced.
 */
export interface Statement {
  handler: (statement: Statement) => void;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

export type Outcome = { readonly result: unknown } | { readonly error: unknown };

/** The session failed, not the statement. The codes begin as the driver's own do. */
export class SessionError extends Error {
  readonly code:
    | "CONNECTION_CLOSED"
    | "CONNECTION_TIMED_OUT"
    | "CONNECTION_DOWN"
    | "CONNECTION_ENDED";

  constructor(code: SessionError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SessionError";
    this.code = code;
  }
}

export interface Address {
  readonly host: string;
  readonly port: number;
  /** Of a Unix socket, instead of host and port. */
  readonly path: string | undefined;
}

export interface SessionOptions {
  readonly url: string;
  readonly driver: postgres.Options<{ bigint: postgres.PostgresType<bigint> }>;
  readonly address: Address;
  readonly connectTimeoutMs: number;
  /** For the reply to a statement; longer than the server's own limits, which then apply first. */
  readonly replyTimeoutMs: number;
}

/** Sessions end after one to two lifetimes: new servers get their share, memory does not grow. */
const LIFETIME_MS = 1_800_000;

/**
 * One session with the server, for one statement at a time: a driver with a pool of one, discarded
 * with its connection. README.md lists the faults of the driver that this avoids.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #driver: postgres.Sql<{ bigint: bigint }>;
  readonly #launch: (statement: Statement) => void;
  readonly #retireAt = performance.now() + LIFETIME_MS * (1 + Math.random());
  #socket: Socket | undefined;
  #settle: ((outcome: Outcome) => void) | undefined;
  #expiresAt = 0;
  #established = false;
  #closed = false;

  constructor(options: SessionOptions) {
    const { host, port, path } = options.address;
    this.#options = options;
    this.#driver = postgres(options.url, {
      ...options.driver,
      max: 1,
      host,
      port,
      ...(path !== undefined && { path }),
      max_lifetime: null,
      connect_timeout: options.connectTimeoutMs / 1_000,
      onclose: () => this.#lost(),
      // The driver's types do not name it.
      ...({ socket: () => this.#connect() } as object),
    });
    // The driver's own handler, taken from a statement that is never executed.
    this.#launch = (this.#driver`` as unknown as Statement).handler;
  }

  /** Whether the server has replied on it. */
  get established(): boolean {
    return this.#established;
  }

  /** Whether it can take a statement. A socket is known to be lost before the driver notices. */
  get usable(): boolean {
    return !this.#closed && this.#socket?.writable !== false && performance.now() < this.#retireAt;
  }

  /** Calls `done` exactly once; `expire` bounds the wait. */
  execute(statement: Statement, done: (outcome: Outcome) => void): void {
    const { connectTimeoutMs, replyTimeoutMs } = this.#options;
    const { resolve, reject } = statement;
    this.#expiresAt =
      performance.now() + replyTimeoutMs + (this.#established ? 0 : connectTimeoutMs);
    const settle = (outcome: Outcome) => {
      if (this.#settle !== settle) return;
      this.#settle = undefined;
      statement.resolve = resolve;
      statement.reject = reject;
      if ("result" in outcome || isServerReply(outcome.error)) this.#established = true;
      else this.close();
      done(outcome);
    };
    this.#settle = settle;
    statement.resolve = (result) => settle({ result });
    statement.reject = (error) => settle({ error });
    this.#launch(statement);
  }

  /** Fails an overdue statement. To be called regularly: cheaper than a timer per statement. */
  expire(now: number): void {
    if (this.#settle !== undefined && now > this.#expiresAt)
      this.#fail(new SessionError("CONNECTION_TIMED_OUT", "the server did not reply in time"));
  }

  /** A running statement becomes overdue later by this. */
  postpone(ms: number): void {
    this.#expiresAt += ms;
  }

  /** Closes at once; a running statement fails. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#settle?.({ error: new SessionError("CONNECTION_CLOSED", "the session was closed") });
    // Without an error: after TLS has taken the socket over it has no listener for one.
    this.#socket?.destroy();
    void this.#driver.end({ timeout: 0 });
  }

  /** Closes in an orderly way, within half a second. */
  async end(): Promise<void> {
    if (!this.#closed && this.#settle === undefined) await this.#driver.end({ timeout: 0.5 });
    this.close();
  }

  /** Returns a connecting socket, which buffers writes. Must not throw: the driver would hang. */
  #connect(): Socket {
    if (this.#socket !== undefined) return this.#discarded();
    const { host, port, path } = this.#options.address;
    const socket = path === undefined ? connect({ host, port, noDelay: true }) : connect({ path });
    // A socket can fail before the driver listens to it.
    socket.on("error", (error) => this.#fail(error)).on("close", () => this.#lost());
    // The driver reads the expected name of the certificate from `host`.
    this.#socket = Object.assign(socket, { host, port });
    return socket;
  }

  /** Stops the driver's endless reconnects to a server that hangs up before it sends a byte. */
  #discarded(): Socket {
    this.#lost();
    const socket = new Socket();
    setImmediate(() => socket.destroy());
    return socket;
  }

  #lost(): void {
    this.#fail(new SessionError("CONNECTION_CLOSED", "the connection was lost"));
  }

  #fail(error: Error): void {
    this.#settle?.({ error });
    this.close();
  }
}

/** Whether the error is the server's reply to the statement: the session remains usable. */
export function isServerReply(error: unknown): boolean {
  return (
    error instanceof postgres.PostgresError &&
    error.severity !== "FATAL" &&
    error.severity !== "PANIC"
  );
}
