import type { ClientHttp2Stream, Http2Session } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";

/** Times in milliseconds. */
export interface ConnectionOptions {
  /**
   * A connection that says nothing for this long is asked whether it is still there; 10 s by
   * default.
   */
  readonly pingIntervalMs?: number;
  /**
   * How long its answer may take; 3 s by default. A connection that vanished without a word is
   * found within the sum of both.
   */
  readonly pingTimeoutMs?: number;
}

const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 3_000;

type Request = Http2SessionManager["request"];

/**
 * The HTTP/2 connection of a client, by connect-node, with two holes closed (seen in 2.2.0):
 * - It asks a silent connection whether it is there before it gives it to the next call, but
 *   forgets the question when the last call that is open on it ends meanwhile; then every later
 *   call would wait for an answer that never comes. So the wait has a bound, after which calls get
 *   a new connection.
 * - It stops listening to a connection that it gave up as soon as a call needs another one, which
 *   may be before that connection emits its error; an error that nobody listens to ends the
 *   process.
 */
export class WatchedConnection {
  readonly authority: string;
  readonly #pings: Required<ConnectionOptions>;
  readonly #owners = new WeakMap<ClientHttp2Stream, Http2SessionManager>();
  readonly #heard = new WeakSet<Http2Session>();
  #current: Http2SessionManager;

  constructor(
    url: string,
    { pingIntervalMs = PING_INTERVAL_MS, pingTimeoutMs = PING_TIMEOUT_MS }: ConnectionOptions,
  ) {
    this.#pings = { pingIntervalMs, pingTimeoutMs };
    this.#current = new Http2SessionManager(url, this.#pings);
    this.authority = this.#current.authority;
  }

  async request(...call: Parameters<Request>): ReturnType<Request> {
    const asked = this.#current;
    const unanswered = setTimeout(() => this.#replace(asked), this.#pings.pingTimeoutMs);
    try {
      const stream = await asked.request(...call);
      this.#owners.set(stream, asked);
      if (stream.session !== undefined) this.#listen(stream.session);
      return stream;
    } finally {
      clearTimeout(unanswered);
    }
  }

  notifyResponseByteRead(stream: ClientHttp2Stream): void {
    this.#owners.get(stream)?.notifyResponseByteRead(stream);
  }

  #listen(session: Http2Session): void {
    if (this.#heard.has(session)) return;
    this.#heard.add(session);
    session.on("error", () => {});
  }

  #replace(asked: Http2SessionManager): void {
    if (asked !== this.#current || asked.state() !== "verifying") return;
    this.#current = new Http2SessionManager(this.authority, this.#pings);
    asked.abort(new ConnectError("the connection does not answer", Code.Unavailable));
  }
}
