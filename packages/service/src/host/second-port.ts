import { once } from "node:events";
import type { Server } from "node:http";
import { createServer } from "node:net";

/** A further port of a server. */
export interface SecondPort {
  /** Stops listening; resolves when the last connection of this port has closed. */
  close(): Promise<void>;
}

export interface SecondPortOptions {
  readonly host: string;
  readonly port: number;
}

/**
 * Opens a further port, whose connections the server handles as its own. A gateway that pools idle
 * connections by address alone (Kong) needs two addresses to call one server by HTTP/1.1 and by
 * gRPC. The limits on connections are those of both together. Rejects if the port is in use.
 */
export async function openSecondPort(
  server: Server,
  { host, port }: SecondPortOptions,
): Promise<SecondPort> {
  // The options that http.Server gives to its own connections.
  const options = { allowHalfOpen: true, noDelay: true };
  const second = createServer(options, (socket) => void server.emit("connection", socket));
  await once(second.listen({ host, port }), "listening");
  return { close: () => new Promise((resolve) => second.close(() => resolve())) };
}
