import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** The only address that commands listen on. */
export const LOOPBACK = "127.0.0.1";

/**
 * Below those that systems give to outgoing connections (from 32768 on), one of which could have it
 * when a server that was ended listens there again; and above those that browsers refuse.
 */
const anyPort = (): number => randomInt(20_000, 32_768);
const ATTEMPTS = 100;

/** Returns a port that is free at the moment. */
export async function freePort(pick = anyPort): Promise<number> {
  for (let attempt = 1; ; attempt++)
    try {
      return await listenOnce(pick());
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || attempt === ATTEMPTS)
        throw error;
    }
}

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
