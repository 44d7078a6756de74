import type { Charge, Payment } from "./payment.ts";
import type { payments } from "./schema.ts";
import { byAge } from "./store.ts";

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
    charge: toCharge(row),
    refunds: refunds.sort(byAge),
    declineReason: row.declineReason ?? undefined,
    providerReference: row.providerReference ?? undefined,
    events: row.events.map((event) => ({ ...event, time: new Date(event.time) })),
    createTime: row.createTime,
    updateTime: row.updateTime,
  };
}

/** The schema's check `whole_charge` has all of these columns null, or none. */
function toCharge(row: Row): Charge | undefined {
  const { orderId, customerId, currencyCode, minorUnits, fingerprint } = row;
  if (!orderId || !customerId || !currencyCode || minorUnits === null || fingerprint === null)
    return undefined;
  return { orderId, customerId, amount: { currencyCode, minorUnits }, fingerprint };
}
