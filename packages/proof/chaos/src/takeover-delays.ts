import type { SagaEventRow } from "@tercet/audit";
import { type Distribution, distribution } from "@tercet/cli";
import type { FaultRecord } from "./chronicle.ts";
import { isTakeOver } from "./timelines.ts";

export interface TakeOvers {
  /** All of them. */
  readonly count: number;
  /**
   * From the worker's death or freezing to the take-over, in milliseconds: of those that nothing
   * else delayed.
   */
  readonly delaysMs: Distribution;
}

/** Who wrote what stood in a saga's timeline before it was taken over held it before. */
export function takeOvers(
  timelines: readonly (readonly SagaEventRow[])[],
  faults: readonly FaultRecord[],
  windowMs: number,
): TakeOvers {
  const losses = faults.filter(
    ({ worker, kind }) => worker !== undefined && kind.startsWith("order"),
  );
  const disturbances = faults.filter(
    ({ kind }) =>
      kind === "PostgreSQL down" || kind === "sessions ended" || kind === "order frozen",
  );
  const delays: number[] = [];
  let count = 0;
  for (const timeline of timelines)
    for (const [index, event] of timeline.entries()) {
      if (!isTakeOver(event)) continue;
      count++;
      const at = Date.parse(event.time);
      const before = timeline[index - 1];
      if (before === undefined) continue;
      // One that was frozen and woke again may have begun it since.
      const lost = losses.findLast(
        ({ worker, from }) =>
          worker === before.worker && Date.parse(before.time) <= from && from <= at,
      );
      if (lost === undefined || !isUndisturbed(lost, disturbances, windowMs)) continue;
      delays.push(at - lost.from);
    }
  return { count, delaysMs: distribution(delays) };
}

/**
 * A database that is down cannot say that a worker is gone, and one that comes back is found again
 * a second later.
 */
function isUndisturbed(
  lost: FaultRecord,
  disturbances: readonly FaultRecord[],
  windowMs: number,
): boolean {
  const end = lost.from + windowMs;
  const margin = 1_500;
  return disturbances.every(
    (other) =>
      other === lost ||
      (other.to ?? Number.POSITIVE_INFINITY) + margin < lost.from ||
      other.from > end,
  );
}
