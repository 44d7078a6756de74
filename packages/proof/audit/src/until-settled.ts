import { setTimeout as sleep } from "node:timers/promises";
import { readEverything, type Sources } from "./everything.ts";
import { unfinished } from "./invariants.ts";

const BETWEEN_LOOKS_MS = 500;

/**
 * Waits until nothing is under way any more (I3); answers what still is when the time is over, or
 * the signal aborts.
 */
export async function untilSettled(
  sources: Sources,
  withinMs: number,
  signal?: AbortSignal,
): Promise<string[]> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const open = unfinished(await readEverything(sources));
    if (open.length === 0 || performance.now() > deadline || signal?.aborted) return open;
    await sleep(BETWEEN_LOOKS_MS, undefined, { signal }).catch(() => {});
  }
}
