import type { Socket } from "node:net";
import type { Allowance, Connection } from "./connections.ts";
import { jittered, type SessionLimits, shareTimer } from "./http2-sessions.ts";

/**
 * The age of an HTTP/1.1 connection. It ends after the next response once it is `retired`, and
 * `closeTimeoutMs` later in any case: a peer that does not read keeps its response open.
 */
export class Http1Connection implements Connection {
  readonly #socket: Socket;
  readonly #limits: SessionLimits;
  readonly #openedAt = performance.now();
  #known = false;
  #retireAt = 0;
  #end: NodeJS.Timeout | undefined;

  constructor(socket: Socket, limits: SessionLimits) {
    this.#socket = socket;
    this.#limits = limits;
    socket.once("close", () => clearTimeout(this.#end));
    this.#allow(limits.anonymous);
  }

  /** Whether the connection has reached its maximal age. */
  get retired(): boolean {
    return performance.now() > this.#retireAt;
  }

  recognize(): void {
    if (this.#known || this.#socket.destroyed) return;
    this.#known = true;
    this.#allow(this.#limits);
  }

  #allow({ maxConnectionAgeMs }: Allowance): void {
    const ageMs = jittered(Math.min(maxConnectionAgeMs, this.#limits.maxConnectionAgeMs));
    this.#retireAt = this.#openedAt + ageMs;
    clearTimeout(this.#end);
    const leftMs = this.#retireAt + this.#limits.closeTimeoutMs - performance.now();
    this.#end = shareTimer(() => this.#socket.destroy(), leftMs);
  }
}
