import { connect, Socket } from "node:net";
import postgres from "postgres";

/**
 * A statement of the driver. It is handed to `handler` when somebody waits for it; a piece of
 * another statement never is. The driver settles it by `resolve` or `reject`, which can be
 * replaced.
 */
export interface Statement {
  handler: (statement: Statement) => void;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

export type Outcome = { readonly result: unknown } | { readonly error: unknown };

/** The session, not the statement, failed. `code` begins as the driver's own codes do. */
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
  /** Of a Unix socket, instead. */
  readonly path: string | undefined;
}

export interface SessionOptions {
  readonly url: string;
  readonly driver: postgres.Options<{ bigint: postgres.PostgresType<bigint> }>;
  readonly address: Address;
  readonly connectTimeoutMs: number;
  /**
   * How long the server may be silent about a statement; longer than the server's own limits, which
   * come first where the server is alive.
   */
  readonly answerTimeoutMs: number;
}

/**
 * Sessions end after 30 to 60 minutes, so that servers which came later get their share and memory
 * does not grow.
 */
const LIFETIME_MS = 1_800_000;

/**
 * One session with the server, for one statement at a time. It is a driver of its own with a pool
 * of one, thrown away with the connection: the driver carries what it was about to write over into
 * its next connection, which then never opens, and it never gives up a socket that has gone silent.
 * So its sockets are made here.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #driver: postgres.Sql<{ bigint: bigint }>;
  readonly #hand: (statement: Statement) => void;
  readonly #retireAt = performance.now() + LIFETIME_MS * (1 + Math.random());
  #socket: Socket | undefined;
  #settle: ((outcome: Outcome) => void) | undefined;
  #expiresAt = 0;
  #answered = false;
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
    // Every statement of a driver carries the way into it; this one is never executed.
    this.#hand = (this.#driver`` as unknown as Statement).handler;
  }

  /** The server has answered on it. */
  get answered(): boolean {
    return this.#answered;
  }

  /**
   * Whether it can take another statement. A socket knows that it is lost before the driver does.
   */
  get usable(): boolean {
    return !this.#closed && this.#socket?.writable !== false && performance.now() < this.#retireAt;
  }

  /** `done` is called once, whatever becomes of the server: `expire` sees to it. */
  execute(statement: Statement, done: (outcome: Outcome) => void): void {
    const { connectTimeoutMs, answerTimeoutMs } = this.#options;
    const { resolve, reject } = statement;
    this.#expiresAt = performance.now() + answerTimeoutMs + (this.#answered ? 0 : connectTimeoutMs);
    const settle = (outcome: Outcome) => {
      if (this.#settle !== settle) return;
      this.#settle = undefined;
      statement.resolve = resolve;
      statement.reject = reject;
      if ("result" in outcome || isOfStatement(outcome.error)) this.#answered = true;
      else this.close();
      done(outcome);
    };
    this.#settle = settle;
    statement.resolve = (result) => settle({ result });
    statement.reject = (error) => settle({ error });
    this.#hand(statement);
  }

  /**
   * Ends the session if its statement should have been answered by now; to be called now and then,
   * for a timer for each statement costs more than that.
   */
  expire(now: number): void {
    if (this.#settle !== undefined && now > this.#expiresAt)
      this.#fail(new SessionError("CONNECTION_TIMED_OUT", "the server has not answered in time"));
  }

  /** At once, with whatever is under way. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#settle?.({ error: new SessionError("CONNECTION_CLOSED", "the session was closed") });
    // Without an error: where TLS has taken the socket over, nobody listens for one.
    this.#socket?.destroy();
    void this.#driver.end({ timeout: 0 });
  }

  /** Says goodbye to the server, and waits for it a little. */
  async end(): Promise<void> {
    if (!this.#closed && this.#settle === undefined) await this.#driver.end({ timeout: 0.5 });
    this.close();
  }

  /**
   * The socket is connecting when the driver gets it: what is written before waits in it. Must not
   * throw, the driver would lose its one connection.
   */
  #connect(): Socket {
    if (this.#socket !== undefined) return this.#doomed();
    const { host, port, path } = this.#options.address;
    const socket = path === undefined ? connect({ host, port, noDelay: true }) : connect({ path });
    // The driver begins to listen a moment later than a socket can fail.
    socket.on("error", (error) => this.#fail(error)).on("close", () => this.#lost());
    // The driver looks here for the name that the certificate must have.
    this.#socket = Object.assign(socket, { host, port });
    return socket;
  }

  /**
   * The driver connects once more when the server hangs up before it said a word; it would go on
   * for ever.
   */
  #doomed(): Socket {
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

/** An error that is the server's answer to the statement; the session goes on. */
export function isOfStatement(error: unknown): boolean {
  return (
    error instanceof postgres.PostgresError &&
    error.severity !== "FATAL" &&
    error.severity !== "PANIC"
  );
}
