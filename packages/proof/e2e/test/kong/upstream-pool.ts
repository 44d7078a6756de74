import http from "node:http";
import http2 from "node:http2";

/** A connection to a service. As nginx's do, it carries one call at a time. */
export type Connection = Http1Connection | GrpcConnection;

interface Http1Connection {
  readonly protocol: "http";
  readonly agent: http.Agent;
}

interface GrpcConnection {
  readonly protocol: "grpc";
  readonly session: http2.ClientHttp2Session;
}

/** Kong's default for KONG_UPSTREAM_KEEPALIVE_POOL_SIZE. */
const DEFAULT_SIZE = 512;

/**
 * Kong's idle connections to services. They are found by address and port alone: the protocol that
 * a connection speaks is not part of the key (Kong 3.9.1, without TLS).
 */
export class UpstreamPool {
  readonly #idle = new Map<string, Connection[]>();
  readonly #open = new Set<Connection>();
  readonly #size: number;

  /** `size`: of idle connections of an address; 0 keeps none. */
  constructor(size = DEFAULT_SIZE) {
    this.#size = size;
  }

  /**
   * Returns the connection to this address that was idle for the shortest time, or a new one. The
   * caller finds out whether it speaks `protocol`.
   */
  take(address: string, protocol: Connection["protocol"], url: URL): Connection {
    const idle = this.#idle.get(address) ?? [];
    for (let found = idle.pop(); found !== undefined; found = idle.pop()) {
      if (isOpen(found)) return found;
      this.close(found);
    }
    const connection = connect(protocol, url);
    this.#open.add(connection);
    return connection;
  }

  /** Keeps a connection for a later call to this address. */
  release(address: string, connection: Connection): void {
    const idle = this.#idle.get(address) ?? [];
    if (idle.length < this.#size) this.#idle.set(address, [...idle, connection]);
    else this.close(connection);
  }

  closeAll(): void {
    for (const connection of this.#open) this.close(connection);
  }

  close(connection: Connection): void {
    this.#open.delete(connection);
    if (connection.protocol === "http") connection.agent.destroy();
    else connection.session.destroy();
  }
}

function connect(protocol: Connection["protocol"], { origin }: URL): Connection {
  return protocol === "http"
    ? { protocol, agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) }
    : { protocol, session: http2.connect(origin).on("error", () => {}) };
}

/** Whether an idle connection has not been closed by its service meanwhile. */
const isOpen = (connection: Connection): boolean =>
  connection.protocol === "http"
    ? Object.keys(connection.agent.freeSockets).length > 0
    : !connection.session.closed && !connection.session.destroyed;
