import { setTimeout as sleep } from "node:timers/promises";
import { unfinished } from "./invariants.ts";
import { readSnapshot, type Sources } from "./snapshot.ts";

const BETWEEN_SNAPSHOTS_MS = 500;

/**
 * Waits until nothing is open (I3). Resolves to what still is after `withinMs`, or when the signal
 * aborts.
 */
export async function untilSettled(
  sources: Sources,
  withinMs: number,
  signal?: AbortSignal,
): Promise<string[]> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const open = unfinished(await readSnapshot(sources));
    if (open.length === 0 || performance.now() > deadline || signal?.aborted) return open;
    await sleep(BETWEEN_SNAPSHOTS_MS, undefined, { signal }).catch(() => {});
  }
}
