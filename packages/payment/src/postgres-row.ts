import type { Payment } from "./payment.ts";
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
    events: row.events.map((event) => ({ ...event, time: new Date(event.time) })),
    createTime: row.createTime,
    updateTime: row.updateTime,
  };
}
