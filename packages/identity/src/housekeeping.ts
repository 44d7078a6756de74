import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@tercet/service";
import type { IdentityStore, Sweep } from "./store.ts";

const HOUR = 3_600_000;
/** A request_id is remembered for a week, and an account's failures for a day. */
const limits: Sweep = { batch: 500, requestAge: 7 * 24 * HOUR, failureAge: 24 * HOUR };
const INTERVAL = HOUR / 6;

/**
 * Deletes what is of no more use, now and then, until the signal aborts. What fails is tried again
 * the next time.
 */
export async function keepHouse(
  store: IdentityStore,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    // Replicas that start together do not sweep together.
    await sleep(INTERVAL * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(
      () => {},
    );
    if (signal.aborted) return;
    await sweepAll(store, signal).catch((error: unknown) =>
      log.warn({ err: error }, "the sweep of expired rows failed"),
    );
  }
}

/** In batches, until nothing is left. */
export async function sweepAll(
  store: IdentityStore,
  signal: AbortSignal,
  sweep: Sweep = limits,
): Promise<void> {
  while (!signal.aborted && (await store.sweep(sweep)));
}
