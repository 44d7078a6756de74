import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "./telemetry/log.ts";

const INTERVAL_MS = 10 * 60_000;
const BATCH = 500;
const PAUSE_MS = 100;

export interface SweeperOptions {
  /** One statement that deletes at most `limit` rows and resolves to how many it deleted. */
  readonly sweep: (limit: number) => Promise<number>;
  readonly log: Logger;
  /** Mean time between two sweeps; 10 minutes by default. */
  readonly intervalMs?: number;
}

/**
 * Deletes expired rows at intervals, in batches with a pause between them, until the signal aborts;
 * resolves then. A failed sweep is logged and retried at the next interval.
 */
export async function runSweeper(
  { sweep, log, intervalMs = INTERVAL_MS }: SweeperOptions,
  signal: AbortSignal,
): Promise<void> {
  // The interval varies by half, so that replicas that start together do not sweep together.
  while (await pause(intervalMs * (0.5 + Math.random()), signal)) {
    try {
      while ((await sweep(BATCH)) >= BATCH && (await pause(PAUSE_MS, signal)));
    } catch (error) {
      log.warn({ event: "sweep_failed", err: error }, "expired rows could not be deleted");
    }
  }
}

/** Resolves to whether the time passed without an abort. */
const pause = (ms: number, signal: AbortSignal): Promise<boolean> =>
  sleep(ms, true, { signal, ref: false }).catch(() => false);
