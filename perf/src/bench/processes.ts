import type { Stack } from "@tercet/stack";

/** Returns the process ids of the services. */
export const servicePids = ({ services }: Stack): number[] =>
  Object.values(services).flatMap(({ pid }) => pid ?? []);

/**
 * Of load before a measurement: leases were lost while frozen, and the first orders wait for them.
 */
const SETTLE_MS = 500;

/**
 * Resumes frozen processes for one measurement, since timers and exports of others would disturb
 * it.
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
