import type {
  Charge,
  DeclineReason,
  EventType,
  Payment,
  PaymentStatus,
  RefundStatus,
} from "./payment.ts";
import { byAge } from "./store.ts";

/**
 * A row of `payments` as the driver reads it. Within jsonb amounts are text, since JSON's numbers
 * are not exact, and times are ISO 8601.
 */
export interface Row {
  id: string;
  status: PaymentStatus;
  orderId: string | null;
  customerId: string | null;
  currencyCode: string | null;
  minorUnits: bigint | null;
  fingerprint: string | null;
  refunds: Record<
    string,
    {
      id: string;
      minorUnits: string;
      reason: string;
      fingerprint: string;
      status: RefundStatus;
      createTime: string;
    }
  >;
  declineReason: DeclineReason | null;
  providerReference: string | null;
  events: { time: string; type: EventType; detail: string }[];
  createTime: Date;
  updateTime: Date;
}

export function toPayment(row: Row): Payment {
  const refunds = Object.values(row.refunds).map((refund) => ({
    ...refund,
    minorUnits: BigInt(refund.minorUnits),
    createTime: new Date(refund.createTime),
  }));
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

function toCharge({
  orderId,
  customerId,
  currencyCode,
  minorUnits,
  fingerprint,
}: Row): Charge | undefined {
  if (
    orderId === null ||
    customerId === null ||
    currencyCode === null ||
    minorUnits === null ||
    fingerprint === null
  )
    return undefined;
  return { orderId, customerId, amount: { currencyCode, minorUnits }, fingerprint };
}
