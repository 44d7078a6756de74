import { createServer } from "node:net";

/** The only address that commands listen on. */
export const LOOPBACK = "127.0.0.1";

/** Returns a port that is free at the moment. */
export const freePort = (): Promise<number> => listenOnce(0);

/**
 * Listens on a port and closes again; resolves to the port. Rejects with the system's error, such
 * as EADDRINUSE.
 */
export async function listenOnce(port: number): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(port, LOOPBACK, resolve);
  await promise;
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === "string") throw new Error("the system gave no port");
  return address.port;
}
