import { join } from "node:path";
import { cpuMs, recordOf, type ServiceName, serviceNames } from "@tercet/cli";
import type { Env } from "@tercet/service";
import { ANY_PORT, envToConfig, MANY_CALLS, type Stack, startStack } from "@tercet/stack";
import type { BenchOptions } from "./rounds.ts";

/** Of load before a measurement: leases were lost while frozen, and first orders wait for them. */
const SETTLE_MS = 500;

/** Starts a stack whose data is in its own folder. `own` are variables of one service alone. */
export function startBenchStack(
  options: Pick<BenchOptions, "dataDir" | "signal" | "onProgress">,
  name: string,
  env?: Env,
  own: (service: ServiceName) => Env = () => ({}),
): Promise<Stack> {
  const dataDir = join(options.dataDir, name.replaceAll(/\W+/g, "-"));
  const config = envToConfig({
    ...ANY_PORT,
    ...MANY_CALLS,
    DATA_DIR: dataDir,
    LOG_LEVEL: "warn",
    ...env,
  });
  const serviceEnv = recordOf(serviceNames, (service) => ({
    ...config.serviceEnv[service],
    ...own(service),
  }));
  return startStack({ ...config, serviceEnv }, options);
}

/** Freezes processes, until the resources are disposed of: a frozen process cannot drain. */
export function freeze(pids: readonly number[], resources: AsyncDisposableStack): void {
  signalAll(pids, "SIGSTOP");
  resources.defer(() => signalAll(pids, "SIGCONT"));
}

/**
 * Resumes frozen processes for one measurement, since timers and exports of others would disturb
 * it. Measures their processor time too, with that of `others`.
 */
export async function alone<T extends object>(
  pids: readonly number[],
  load: (durationMs: number) => Promise<unknown>,
  measurement: () => Promise<T>,
  others: readonly number[] = [],
): Promise<T & { readonly cpuMs: number }> {
  signalAll(pids, "SIGCONT");
  try {
    await load(SETTLE_MS);
    const before = cpuMs([...pids, ...others]);
    const measured = await measurement();
    return { ...measured, cpuMs: cpuMs([...pids, ...others]) - before };
  } finally {
    signalAll(pids, "SIGSTOP");
  }
}

function signalAll(pids: readonly number[], signal: "SIGSTOP" | "SIGCONT"): void {
  for (const pid of pids) process.kill(pid, signal);
}
