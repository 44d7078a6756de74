import type { EventType, Payment, PaymentEvent } from "./payment.ts";
import type { payments } from "./schema.ts";
import { byAge, storedCharge } from "./store.ts";

export type Row = typeof payments.$inferSelect;

export function toPayment(row: Row): Payment {
  const refunds = Object.values(row.refunds).map(
    ({ currencyCode = row.currencyCode ?? "", minorUnits, createTime, ...refund }) => ({
      ...refund,
      amount: { currencyCode, minorUnits: BigInt(minorUnits) },
      createTime: new Date(createTime),
    }),
  );
  return {
    id: row.id,
    status: row.status,
    charge: storedCharge(row),
    refunds: refunds.sort(byAge),
    declineReason: row.declineReason ?? undefined,
    providerReference: row.providerReference ?? undefined,
    events: eventsOf(row),
    createTime: row.createTime,
    updateTime: row.updateTime,
  };
}

/**
 * An event in a payment's history, one line of JSON each: milliseconds since 1970, type, detail.
 * The detail is absent where the row has it in a column of its own: the reference of a charge that
 * succeeded, the reason of one that was declined.
 */
type Line = readonly [time: number, type: EventType, detail?: string];

/** Returns the events of both columns that hold them, the oldest first. */
function eventsOf({
  events,
  history,
  providerReference,
  declineReason,
}: Row): readonly PaymentEvent[] {
  const columns: Partial<Record<EventType, string | null>> = {
    CHARGE_SUCCEEDED: providerReference,
    CHARGE_DECLINED: declineReason,
  };
  const later = history.split("\n").flatMap((line) => {
    if (line === "") return [];
    const [time, type, detail = columns[type] ?? ""] = JSON.parse(line) as Line;
    return { time: new Date(time), type, detail };
  });
  if (events.length === 0) return later;
  const earlier = events.map((event) => ({ ...event, time: new Date(event.time) }));
  // Stable: replicas of both versions may have written to one payment.
  return [...earlier, ...later].sort((a, b) => a.time.getTime() - b.time.getTime());
}
