import { LOOPBACK } from "@tercet/cli";
import type { StackConfig } from "./config.ts";
import { isReady } from "./service-process.ts";
import type { Stack } from "./stack.ts";

/** Returns where the stack with this configuration runs; undefined if none does. */
export async function findRunning({
  ports,
  dataDir,
}: StackConfig): Promise<Pick<Stack, "urls" | "dataDir"> | undefined> {
  const url = (port: number) => `http://${LOOPBACK}:${port}`;
  if (ports.edge === 0 || !(await isReady(url(ports.edge)))) return undefined;
  const { identity, order, payment, edge } = ports;
  return {
    dataDir,
    urls: { identity: url(identity), order: url(order), payment: url(payment), edge: url(edge) },
  };
}
