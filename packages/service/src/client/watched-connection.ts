import type { ClientHttp2Stream, Http2Session } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";

/** Times in milliseconds. */
export interface ConnectionOptions {
  /** A connection that receives nothing for this long is checked by a ping; 10 s by default. */
  readonly pingIntervalMs?: number;
  /** For the reply to a ping; 3 s by default. A lost peer is noticed within the sum of both. */
  readonly pingTimeoutMs?: number;
}

const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 3_000;

type Request = Http2SessionManager["request"];

/**
 * The HTTP/2 connection of a client, by connect-node, without two of its faults (seen in 2.2.0):
 * - It pings an idle connection before the next call uses it, but drops that ping when the last
 *   open call ends meanwhile; every later call then waits for ever. So this wait has a bound, after
 *   which calls get a new connection.
 * - It removes its error listener from a connection that it discards, possibly before that emits
 *   its error, and an unhandled error ends the process.
 *
 * Neither is reported upstream as such (searched in November 2026). Related in
 * connectrpc/connect-es: #683 and #869, a ping that never timed out; #1795 (open), a ping on a
 * destroyed session.
 */
export class WatchedConnection {
  readonly authority: string;
  readonly #pings: Required<ConnectionOptions>;
  readonly #owners = new WeakMap<ClientHttp2Stream, Http2SessionManager>();
  readonly #listened = new WeakSet<Http2Session>();
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
    const manager = this.#current;
    const pending = manager.request(...call);
    const timer =
      manager.state() === "verifying"
        ? setTimeout(() => this.#replace(manager), this.#pings.pingTimeoutMs)
        : undefined;
    try {
      const stream = await pending;
      this.#owners.set(stream, manager);
      if (stream.session !== undefined) this.#listen(stream.session);
      return stream;
    } finally {
      clearTimeout(timer);
    }
  }

  notifyResponseByteRead(stream: ClientHttp2Stream): void {
    this.#owners.get(stream)?.notifyResponseByteRead(stream);
  }

  #listen(session: Http2Session): void {
    if (this.#listened.has(session)) return;
    this.#listened.add(session);
    session.on("error", () => {});
  }

  #replace(manager: Http2SessionManager): void {
    if (manager !== this.#current || manager.state() !== "verifying") return;
    this.#current = new Http2SessionManager(this.authority, this.#pings);
    manager.abort(new ConnectError("the connection does not respond", Code.Unavailable));
  }
}
