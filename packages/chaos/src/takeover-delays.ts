import type { SagaEventRow } from "@tercet/audit";
import type { FaultRecord } from "./chronicle.ts";

export interface TakeOvers {
  /** All of them. */
  readonly count: number;
  /** From worker's death or freezing to the take-over, in milliseconds, ascending: of those that nothing else delayed. */
  readonly delaysMs: readonly number[];
}

/** Who wrote what stood in a saga's timeline before it was taken over held it before. */
export function takeOvers(timelines: readonly (readonly SagaEventRow[])[], faults: readonly FaultRecord[], windowMs: number): TakeOvers {
  const losses = faults.filter(({ worker, kind }) => worker !== undefined && kind.startsWith("order"));
  const disturbances = faults.filter(({ kind }) => kind === "PostgreSQL down" || kind === "sessions ended" || kind === "order frozen");
  const delays: number[] = [];
  let count = 0;
  for (const timeline of timelines)
    for (const [index, event] of timeline.entries()) {
      if (event.outcome !== "STARTED" || event.message !== "taken over") continue;
      count++;
      const at = Date.parse(event.time);
      const lost = losses.findLast(({ worker, from }) => worker === timeline[index - 1]?.worker && from <= at);
      if (lost === undefined || !isUndisturbed(lost, disturbances, windowMs)) continue;
      delays.push(at - lost.from);
    }
  return { count, delaysMs: delays.sort((a, b) => a - b) };
}

/** A database that is down cannot say that a worker is gone, and one that comes back is found again a second later. */
function isUndisturbed(lost: FaultRecord, disturbances: readonly FaultRecord[], windowMs: number): boolean {
  const end = lost.from + windowMs;
  const margin = 1_500;
  return disturbances.every((other) => other === lost || (other.to ?? Number.POSITIVE_INFINITY) + margin < lost.from || other.from > end);
}

/** The value that a share of all lies at or below; undefined of none. */
export const percentile = (ascending: readonly number[], share: number): number | undefined =>
  ascending[Math.min(ascending.length - 1, Math.ceil(ascending.length * share) - 1)];
