import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { type Allowance, setConnection } from "./connections.ts";

/** Milliseconds. */
export interface SessionLimits extends Allowance {
  /** Of sessions without an authenticated call. */
  readonly anonymous: Allowance;
  readonly closeTimeoutMs: number;
}

/** GOAWAY without an error and with the highest stream id: refuses none (RFC 9113, 6.8). */
const SHUTDOWN_NOTICE = Buffer.from("0000080700000000007fffffff00000000", "hex");
/** For the peer's reply to the ping that follows the notice. */
const NOTICE_TIMEOUT_MS = 1_000;
/** For the peer to read what was sent, once the last call has ended. */
const LINGER_MS = 2_000;

/** Varies a time by up to a fifth, so that what started together does not end together. */
export const jittered = (ms: number): number => ms * (0.8 + 0.4 * Math.random());

/**
 * Returns a timer that does not keep the process alive, at most a tenth of a second late. Node
 * keeps a list for each duration of such timers until it has passed, even if all are cleared:
 * connections that come and go would leave one each.
 */
export const shareTimer = (work: () => void, ms: number): NodeJS.Timeout =>
  setTimeout(work, Math.ceil(ms / 100) * 100).unref();

/** The HTTP/2 sessions of a server. */
export class Http2Sessions {
  readonly #open = new Set<Session>();
  readonly #limits: SessionLimits;
  #closing = false;

  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  add(http2: ServerHttp2Session, socket: Socket): void {
    const session = new Session(http2, socket, this.#limits);
    setConnection(http2, session);
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
 *
 * It ends whatever the peer does, `closeTimeoutMs` after its age at the latest: a peer that reads
 * nothing keeps its calls open, and Node waits for them.
 */
class Session {
  readonly #http2: ServerHttp2Session;
  readonly #socket: Socket;
  readonly #limits: SessionLimits;
  readonly #openedAt = performance.now();
  readonly #timers: NodeJS.Timeout[] = [];
  #idle: NodeJS.Timeout | undefined;
  #calls = 0;
  #known = false;
  #leaving = false;

  constructor(http2: ServerHttp2Session, socket: Socket, limits: SessionLimits) {
    this.#http2 = http2;
    this.#socket = socket;
    this.#limits = limits;
    http2.on("stream", (stream) => {
      this.#calls += 1;
      stream.once("close", () => {
        this.#calls -= 1;
        if (this.#calls > 0) return;
        this.#idle?.refresh();
        if (http2.closed) this.#endIfIdle();
      });
    });
    http2.once("close", () => this.#stopTimers());
    this.#allow(limits.anonymous);
  }

  recognize(): void {
    if (this.#known || this.#http2.destroyed) return;
    this.#known = true;
    this.#allow(this.#limits);
    const { maxConcurrentStreams } = this.#limits;
    if (!this.#http2.closed) this.#http2.settings({ maxConcurrentStreams });
  }

  leave(): void {
    if (this.#leaving || this.#http2.closed || this.#http2.destroyed) return;
    this.#leaving = true;
    const close = () => {
      this.#http2.close();
      this.#endIfIdle();
    };
    if (!("encrypted" in this.#socket) && this.#socket.writable) {
      this.#socket.write(SHUTDOWN_NOTICE);
      this.#after(NOTICE_TIMEOUT_MS, close);
      if (this.#http2.ping(close)) return;
    }
    close();
  }

  /** Node waits for the peer to close as well, which it may never do. */
  #endIfIdle(): void {
    if (this.#calls === 0) this.#after(LINGER_MS, () => this.destroy());
  }

  destroy(): void {
    this.#http2.destroy();
    this.#socket.destroy();
  }

  /** Replaces what the session was allowed before. */
  #allow(allowance: Allowance): void {
    if (this.#leaving) return;
    const limits = this.#limits;
    this.#stopTimers();
    const idleMs = Math.min(allowance.keepAliveTimeoutMs, limits.keepAliveTimeoutMs);
    // Not the session's own timeout: Node leaves that running, and the session with it, after the
    // session has ended.
    this.#idle = this.#after(idleMs, () => {
      if (this.#calls === 0) this.leave();
    });
    const ageMs = jittered(Math.min(allowance.maxConnectionAgeMs, limits.maxConnectionAgeMs));
    const leftMs = this.#openedAt + ageMs - performance.now();
    this.#after(leftMs, () => this.leave());
    this.#after(leftMs + limits.closeTimeoutMs, () => this.destroy());
  }

  #after(ms: number, work: () => void): NodeJS.Timeout {
    const timer = shareTimer(work, ms);
    this.#timers.push(timer);
    return timer;
  }

  #stopTimers(): void {
    this.#idle = undefined;
    this.#timers.splice(0).forEach(clearTimeout);
  }
}
