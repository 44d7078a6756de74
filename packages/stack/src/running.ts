import { recordOf, type ServiceName, type StackConfig, serviceNames } from "./config.ts";
import { urlOf } from "./ports.ts";
import { isReady } from "./service-process.ts";
import type { Stack } from "./stack.ts";

/** Returns where the stack with this configuration runs; undefined if none does. */
export async function findRunning({
  ports,
  dataDir,
}: StackConfig): Promise<Pick<Stack, "urls" | "dataDir"> | undefined> {
  if (ports.edge === 0 || !(await isReady(urlOf(ports.edge)))) return undefined;
  return {
    dataDir,
    urls: recordOf<ServiceName | "edge", string>([...serviceNames, "edge"], (name) =>
      urlOf(ports[name]),
    ),
  };
}
