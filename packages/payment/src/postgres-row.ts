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
 * A row of `payments` as the driver returns it. Within jsonb, amounts are text because JSON numbers
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
  refunds: Record<string, StoredRefund>;
  declineReason: DeclineReason | null;
  providerReference: string | null;
  events: { time: string; type: EventType; detail: string }[];
  createTime: Date;
  updateTime: Date;
}

interface StoredRefund {
  id: string;
  /** Older rows lack it: it is the charge's. */
  currencyCode?: string;
  minorUnits: string;
  reason: string;
  fingerprint: string;
  status: RefundStatus;
  createTime: string;
}

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
