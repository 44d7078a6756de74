import type { Backoff } from "./defaults.ts";

/**
 * Returns a delay in milliseconds with full jitter: anything from 0 to the exponential bound, so
 * that sagas that failed together do not retry together (AWS Architecture Blog, "Exponential
 * Backoff And Jitter"). `failures` counts from 1; `random` returns a number in [0, 1).
 */
export function backoffMs(
  { initialMs, maxMs }: Backoff,
  failures: number,
  random: () => number,
): number {
  const bound = Math.min(maxMs, initialMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(bound * random());
}
