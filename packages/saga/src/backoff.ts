/** Delays between attempts, in milliseconds. */
export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Going forward a customer may be waiting. */
export const FORWARD_BACKOFF: Backoff = { initialMs: 100, maxMs: 2_000 };
/** Where there is only one way out it matters that it happens, not when. */
export const UNDO_BACKOFF: Backoff = { initialMs: 200, maxMs: 300_000 };

/**
 * Full jitter: anything from nothing to the exponential bound, so that sagas which failed together
 * do not come back together (AWS Architecture Blog, "Exponential Backoff And Jitter"). `failures`
 * counts from 1; `random` is in [0, 1).
 */
export function backoffMs(
  { initialMs, maxMs }: Backoff,
  failures: number,
  random: () => number,
): number {
  const bound = Math.min(maxMs, initialMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(bound * random());
}
