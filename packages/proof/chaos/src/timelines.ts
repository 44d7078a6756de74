import type { SagaEventRow, SagaRow } from "@tercet/audit";

export const isTakeOver = ({
  outcome,
  message,
}: Pick<SagaEventRow, "outcome" | "message">): boolean =>
  outcome === "STARTED" && message === "taken over";

/**
 * I7: what a worker wrote after its saga was taken over by another. Whoever took it over holds it
 * until it is taken over again or let go of, which an attempt that failed does, and an
 * intervention. A worker that is stopped lets go without a trace: this is for systems where none
 * was.
 */
export function staleWrites({ id, events }: Pick<SagaRow, "id" | "events">): string[] {
  const stale: string[] = [];
  let holder: string | undefined;
  for (const event of events) {
    if (event.outcome === "STARTED") holder = isTakeOver(event) ? event.worker : undefined;
    else if (holder !== undefined && event.worker !== holder)
      stale.push(
        `I7: saga ${id}: ${event.worker} wrote ${event.step} ${event.outcome} while ${holder} had it`,
      );
    if (event.outcome === "RETRY_SCHEDULED" || event.outcome === "UNKNOWN") holder = undefined;
  }
  return stale;
}
