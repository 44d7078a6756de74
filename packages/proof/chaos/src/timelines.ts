import type { SagaEventRow, SagaRow } from "@tercet/audit";

export const isTakeOver = ({
  outcome,
  message,
}: Pick<SagaEventRow, "outcome" | "message">): boolean =>
  outcome === "STARTED" && message === "taken over";

/**
 * I7: returns a sentence for each event that a worker wrote after its saga was taken over. The new
 * holder keeps the saga until the next take-over, failed attempt or intervention. A worker that is
 * stopped releases its sagas without an event, so this is for systems in which none was.
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
