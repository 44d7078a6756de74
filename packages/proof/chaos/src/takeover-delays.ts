import type { SagaEventRow, SagaRow } from "@tercet/audit";
import { type Distribution, distribution } from "@tercet/cli";
import type { FaultRecord } from "./fault-log.ts";
import { isTakeOver } from "./timelines.ts";

export interface TakeOvers {
  readonly count: number;
  /** From the fault of the worker to the take-over, of those that no other fault delayed. */
  readonly delaysMs: Distribution;
}

/**
 * Measures take-overs by timelines alone: the writer of the event before a take-over held the saga.
 * `windowMs`: how long after a fault another fault may delay the take-over.
 */
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
      // A worker that was frozen and resumed may have claimed the saga since.
      const lost = losses.findLast(
        ({ worker, from }) =>
          worker === before.worker && Date.parse(before.time) <= from && from <= at,
      );
      if (lost === undefined || !isUndisturbed(lost, disturbances, windowMs)) continue;
      delays.push(at - lost.from);
    }
  return { count, delaysMs: distribution(delays) };
}

/** Workers do not see that one is gone while the database is down, and for a second afterwards. */
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

/**
 * Returns the milliseconds from each fault to the take-over of each saga that its worker held. A
 * saga whose next event is not a take-over was released or ended by the worker's last statement.
 */
export function delaysOfHeldSagas(
  faults: readonly FaultRecord[],
  sagas: readonly SagaRow[],
): number[] {
  const events = new Map(sagas.map((saga) => [saga.id, saga.events]));
  return faults.flatMap(({ from, held = [] }) =>
    held.flatMap(({ id, events: before }) => {
      const next = events.get(id)?.[before];
      return next !== undefined && isTakeOver(next) ? [Date.parse(next.time) - from] : [];
    }),
  );
}
