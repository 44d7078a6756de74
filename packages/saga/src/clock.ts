import { setTimeout as sleep } from "node:timers/promises";

/**
 * Time and randomness, as the engine uses them in this process. Stored times are the database's.
 * Only simulations replace it.
 */
export interface Clock {
  /** Monotonic, in milliseconds. */
  now(): number;
  /** Resolves after `ms`, or as soon as the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls `run` after `ms`, unless the function that it returns is called before. */
  after(ms: number, run: () => void): () => void;
  /** In [0, 1). */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }).catch(() => {}),
  after(ms, run) {
    const timeout = setTimeout(run, ms);
    return () => clearTimeout(timeout);
  },
  random: Math.random,
};
