import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";

/** Milliseconds. */
export interface SessionLimits {
  readonly keepAliveTimeoutMs: number;
  readonly maxConnectionAgeMs: number;
}

/** GOAWAY without an error and with the highest stream id: refuses none (RFC 9113, 6.8). */
const SHUTDOWN_NOTICE = Buffer.from("0000080700000000007fffffff00000000", "hex");
/** For the peer's reply to the ping that follows the notice. */
const NOTICE_TIMEOUT_MS = 1_000;

/** Varies a time by up to a fifth, so that what started together does not end together. */
export const jittered = (ms: number): number => ms * (0.8 + 0.4 * Math.random());

/** The HTTP/2 sessions of a server. */
export class Http2Sessions {
  readonly #open = new Set<Session>();
  readonly #limits: SessionLimits;
  #closing = false;

  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  /** `socket`: its socket if it is in cleartext. */
  add(http2: ServerHttp2Session, socket: Socket | undefined): void {
    const session = new Session(http2, socket, this.#limits);
    this.#open.add(session);
    http2.once("close", () => this.#open.delete(session));
    if (this.#closing) session.leave();
  }

  /** Sends GOAWAY to all sessions, also to later ones; each closes after its last call. */
  close(): void {
    this.#closing = true;
    for (const session of this.#open) session.leave();
  }

  destroy(): void {
    for (const session of this.#open) session.destroy();
  }
}

/**
 * A session that ends without refusing a call, in cleartext. A single GOAWAY refuses the calls that
 * cross it, so there are two: a notice that asks the peer to start no more calls, and, after the
 * peer's reply to a ping, the GOAWAY that names the last stream. Node 24 has no API for the notice
 * (nghttp2_submit_shutdown_notice) and accepts no stream after a GOAWAY of its own, so the notice
 * is written to the socket; Node writes whole frames, so it lands between two. TLS does not allow
 * this: there, calls that cross the one GOAWAY are refused as unprocessed, and clients retry them.
 */
class Session {
  readonly #http2: ServerHttp2Session;
  readonly #socket: Socket | undefined;
  #leaving = false;

  constructor(
    http2: ServerHttp2Session,
    socket: Socket | undefined,
    { keepAliveTimeoutMs, maxConnectionAgeMs }: SessionLimits,
  ) {
    this.#http2 = http2;
    this.#socket = socket;
    http2.setTimeout(keepAliveTimeoutMs, () => this.leave());
    const age = setTimeout(() => this.leave(), jittered(maxConnectionAgeMs)).unref();
    http2.once("close", () => clearTimeout(age));
  }

  leave(): void {
    if (this.#leaving || this.#http2.closed || this.#http2.destroyed) return;
    this.#leaving = true;
    const close = () => this.#http2.close();
    if (this.#socket?.writable) {
      this.#socket.write(SHUTDOWN_NOTICE);
      const timer = setTimeout(close, NOTICE_TIMEOUT_MS);
      this.#http2.once("close", () => clearTimeout(timer));
      if (this.#http2.ping(close)) return;
    }
    close();
  }

  destroy(): void {
    this.#http2.destroy();
  }
}
