import { setTimeout as sleep } from "node:timers/promises";
import { freePort, LOOPBACK, listenOnce } from "@tercet/cli";
import {
  type PortName,
  portNames,
  portVariable,
  recordOf,
  type StackPorts,
  serviceNames,
} from "./config.ts";
import { StackError } from "./errors.ts";

const PURPOSES: Readonly<Record<PortName, string>> = {
  ...recordOf(serviceNames, (name) => `the ${name} service`),
  edge: "the edge",
  postgres: "the embedded PostgreSQL",
};

const RETRY_MS = 100;

export const urlOf = (port: number): string => `http://${LOOPBACK}:${port}`;

/**
 * Returns the ports to use, with a free one for each 0. Waits `patienceMs` for a port that is in
 * use. Throws StackError with a sentence for each port of `used` that cannot be opened.
 */
export async function settlePorts(
  ports: StackPorts,
  used: readonly PortName[],
  patienceMs: number,
  signal?: AbortSignal,
): Promise<StackPorts> {
  const deadline = performance.now() + patienceMs;
  const problems = await Promise.all(
    used.map((name) => problemOf(name, ports[name], deadline, signal)),
  );
  const sentences = problems.filter((problem) => problem !== undefined);
  if (sentences.length > 0) throw new StackError(sentences.join("\n"));
  // All at once, so that no two of them are the same.
  const settled = portNames.map(async (name) => [name, ports[name] || (await freePort())]);
  return Object.fromEntries(await Promise.all(settled)) as StackPorts;
}

async function problemOf(
  name: PortName,
  port: number,
  deadline: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const purpose = `port ${port}, for ${PURPOSES[name]},`;
  for (;;) {
    try {
      await listenOnce(port);
      return undefined;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EADDRINUSE")
        return `${purpose} cannot be opened (${code}): set ${portVariable(name)} to another one`;
      if (performance.now() >= deadline)
        return `${purpose} is in use: stop what listens there, or set ${portVariable(name)} to another one`;
      await sleep(RETRY_MS, undefined, signal && { signal });
    }
  }
}
