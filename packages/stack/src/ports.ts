import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { StackError } from "./errors.ts";

/** Everything here listens on the loopback address only. */
export const LOOPBACK = "127.0.0.1";

/** A port that nothing listens on at the moment. */
export const freePort = (): Promise<number> => listenOnce(0);

/** A port, what it is for, and the variable that changes it. */
export interface PortUse {
  readonly port: number;
  readonly purpose: string;
  readonly variable: string;
}

const RETRY_MS = 100;

/**
 * Throws StackError with a sentence for each port that cannot be had. With `patienceMs` it waits that long for a port that is in use: processes of a
 * stack that was killed need a moment to notice.
 */
export async function checkPorts(uses: readonly PortUse[], patienceMs = 0, signal?: AbortSignal): Promise<void> {
  const deadline = performance.now() + patienceMs;
  const problems = await Promise.all(uses.map((use) => problemOf(use, deadline, signal)));
  const sentences = problems.filter((problem) => problem !== undefined);
  if (sentences.length > 0) throw new StackError(sentences.join("\n"));
}

async function problemOf({ port, purpose, variable }: PortUse, deadline: number, signal?: AbortSignal): Promise<string | undefined> {
  for (;;) {
    try {
      await listenOnce(port);
      return undefined;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EADDRINUSE") return `port ${port}, for ${purpose}, cannot be opened (${code}): set ${variable} to another one`;
      if (performance.now() >= deadline) return `port ${port}, for ${purpose}, is in use: stop what listens there, or set ${variable} to another one`;
      await sleep(RETRY_MS, undefined, signal && { signal });
    }
  }
}

async function listenOnce(port: number): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(port, LOOPBACK, resolve);
  await promise;
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === "string") throw new Error("the system gave no port");
  return address.port;
}
