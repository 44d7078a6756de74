import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Socket } from "node:net";
import { createContextKey } from "@connectrpc/connect";
import { networkOf } from "./address.ts";

/** How long what a connection may do lasts, before and after one of its calls was authenticated. */
export interface Allowance {
  /** A connection without calls is closed after this time. */
  readonly keepAliveTimeoutMs: number;
  /**
   * A connection of this age, varied by a fifth, is closed after its last call, so that new
   * replicas get load from long-lived clients.
   */
  readonly maxConnectionAgeMs: number;
  /** Calls at a time of an HTTP/2 connection. */
  readonly maxConcurrentStreams: number;
}

/** An open connection, as calls see it. */
export interface Connection {
  /** Grants the allowance of known callers: a call of this connection was authenticated. */
  recognize(): void;
}

/** The connection of a call. */
export const connectionKey = createContextKey<Connection | undefined>(undefined, {
  description: "the connection of the call",
});

const connections = new WeakMap<object, Connection>();

/** `peer`: the socket of HTTP/1.1, the session of HTTP/2. */
export const setConnection = (peer: object, connection: Connection): void =>
  void connections.set(peer, connection);

/** Returns the connection of a request; undefined if it is not one of a `OnePort`. */
export function connectionOf(request: IncomingMessage | Http2ServerRequest) {
  const peer = "stream" in request ? request.stream.session : request.socket;
  return peer === undefined ? undefined : connections.get(peer);
}

export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly healthConnections: number;
  readonly healthConnectionMs: number;
}

/**
 * Counts the connections of a port. When `maxConnections` are open, `healthConnections` more are
 * admitted for health checks only, and for a short time, so that a probe finds a full service
 * alive. One address cannot fill the port for everyone.
 */
export class AdmittedConnections {
  readonly #limits: ConnectionLimits;
  readonly #perNetwork = new Map<string, number>();
  readonly #forHealth = new Set<string>();
  #open = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** Counts a new connection, or closes it. */
  admit(socket: Socket): void {
    const network = networkOf(socket.remoteAddress ?? "");
    const { maxConnections, maxConnectionsPerAddress, healthConnections } = this.#limits;
    const ofNetwork = (this.#perNetwork.get(network) ?? 0) + 1;
    const full = this.#open >= maxConnections;
    if (ofNetwork > maxConnectionsPerAddress || (full && this.#forHealth.size >= healthConnections))
      return void socket.resetAndDestroy();
    if (full) this.#admitForHealth(socket);
    else this.#count(socket);
    this.#perNetwork.set(network, ofNetwork);
    socket.once("close", () => this.#leave(network));
  }

  /** Whether only health checks are served on this connection. */
  isForHealth(socket: Socket): boolean {
    return this.#forHealth.size > 0 && this.#forHealth.has(endpointOf(socket));
  }

  #count(socket: Socket): void {
    this.#open += 1;
    socket.once("close", () => {
      this.#open -= 1;
    });
  }

  #admitForHealth(socket: Socket): void {
    const endpoint = endpointOf(socket);
    this.#forHealth.add(endpoint);
    const end = setTimeout(() => socket.destroy(), this.#limits.healthConnectionMs);
    socket.once("close", () => {
      clearTimeout(end);
      this.#forHealth.delete(endpoint);
    });
  }

  #leave(network: string): void {
    const left = (this.#perNetwork.get(network) ?? 1) - 1;
    if (left === 0) this.#perNetwork.delete(network);
    else this.#perNetwork.set(network, left);
  }
}

/** The same for a TLS socket as for the TCP socket below it. */
const endpointOf = ({ localPort, remoteAddress, remotePort }: Socket): string =>
  `${localPort} ${remoteAddress} ${remotePort}`;
