import type { Stack } from "@tercet/stack";

/** The processes of the services that run. */
export const servicePids = ({ services }: Stack): number[] =>
  Object.values(services).flatMap(({ pid }) => pid ?? []);

/**
 * Under load after standing still, before it is measured: leases were lost, and the first orders
 * wait until they are taken again.
 */
const SETTLE_MS = 500;

/**
 * Lets processes that stand still run for as long as they are measured: timers and exports of the
 * others would be in the tail. `load` lasts as long as it is told.
 */
export async function alone<T>(
  pids: readonly number[],
  load: (durationMs: number) => Promise<unknown>,
  measurement: () => Promise<T>,
): Promise<T> {
  signalAll(pids, "SIGCONT");
  try {
    await load(SETTLE_MS);
    return await measurement();
  } finally {
    signalAll(pids, "SIGSTOP");
  }
}

export function signalAll(pids: readonly number[], signal: "SIGSTOP" | "SIGCONT"): void {
  for (const pid of pids) process.kill(pid, signal);
}
