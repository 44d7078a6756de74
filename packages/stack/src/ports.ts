import { setTimeout as sleep } from "node:timers/promises";
import { freePort, listenOnce } from "@tercet/cli";
import { type PortName, portVariable, type StackPorts } from "./config.ts";
import { StackError } from "./errors.ts";

const PURPOSES: StackPurposes = {
  identity: "the identity service",
  order: "the order service",
  payment: "the payment service",
  edge: "the edge",
  postgres: "the embedded PostgreSQL",
};
type StackPurposes = Readonly<Record<PortName, string>>;

const RETRY_MS = 100;

/**
 * The ports to use, in place of each 0 a free one. Throws StackError with a sentence for each of
 * `used` that cannot be had. With `patienceMs` it waits that long for a port that is in use.
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
  const settled = Object.entries(ports).map(async ([name, port]) => [
    name,
    port === 0 ? await freePort() : port,
  ]);
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
