import { setTimeout as sleep } from "node:timers/promises";

/**
 * Time and chance, as far as the engine uses them in this process; what is stored is timed by the
 * database. Replaced only by simulations.
 */
export interface Clock {
  /** Monotonic, in milliseconds. */
  now(): number;
  /** Resolves after `ms`, or early when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** In [0, 1). */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }).catch(() => {}),
  random: Math.random,
};
