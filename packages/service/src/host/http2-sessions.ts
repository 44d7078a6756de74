import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";

/** Milliseconds. */
export interface SessionLimits {
  readonly keepAliveTimeoutMs: number;
  readonly maxConnectionAgeMs: number;
}

/**
 * GOAWAY for no error that refuses no stream: its last one is the highest that there can be (RFC
 * 9113 section 6.8).
 */
const SHUTDOWN_NOTICE = Buffer.from("0000080700000000007fffffff00000000", "hex");
/** How long a peer may take to say that it has heard. */
const HEARD_WITHIN_MS = 1_000;

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

  /** `socket`: what it speaks through, in cleartext. */
  add(http2: ServerHttp2Session, socket: Socket | undefined): void {
    const session = new Session(http2, socket, this.#limits);
    this.#open.add(session);
    http2.once("close", () => this.#open.delete(session));
    if (this.#closing) session.leave();
  }

  /** GOAWAY to all, and to those that come late; each closes with its last call. */
  close(): void {
    this.#closing = true;
    for (const session of this.#open) session.leave();
  }

  destroy(): void {
    for (const session of this.#open) session.destroy();
  }
}

/**
 * A session that ends without refusing a call, in cleartext. One GOAWAY refuses the calls that
 * cross it, so there are two: a notice that asks the peer to begin no more, and the one that names
 * the last stream when the peer has answered a ping, after whatever it had sent before it knew.
 * Node 24 has no API for the notice (nghttp2_submit_shutdown_notice), and after any GOAWAY of its
 * own it takes no further stream, whatever that says; so the notice goes by the socket. It stands
 * between two frames, for Node writes whole ones. Through TLS that is not possible: there the one
 * GOAWAY must do, and calls that cross it are refused as unprocessed, for the client to make again.
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
    const old = setTimeout(() => this.leave(), jittered(maxConnectionAgeMs)).unref();
    http2.once("close", () => clearTimeout(old));
  }

  leave(): void {
    if (this.#leaving || this.#http2.closed || this.#http2.destroyed) return;
    this.#leaving = true;
    const close = () => this.#http2.close();
    if (this.#socket?.writable) {
      this.#socket.write(SHUTDOWN_NOTICE);
      const unheard = setTimeout(close, HEARD_WITHIN_MS);
      this.#http2.once("close", () => clearTimeout(unheard));
      if (this.#http2.ping(close)) return;
    }
    close();
  }

  destroy(): void {
    this.#http2.destroy();
  }
}
