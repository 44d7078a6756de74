import type { UpdateFilter } from "mongodb";
import {
  type DeclineReason,
  EVENT_TYPES,
  type EventType,
  type NewRefund,
  type Payment,
  type PaymentEvent,
  type PaymentStatus,
  type Refund,
  type RefundStatus,
} from "./payment.ts";
import { byAge, storedCharge } from "./store.ts";

/**
 * One payment. Refunds and events are under keys, not in arrays: no event happens twice to one
 * payment or refund, so a change needs no array position, and a repeated change writes once. The
 * time of an event is a top-level field of its own, because servers that merely speak MongoDB's
 * protocol write their time nowhere else. int64 is bigint.
 */
export interface PaymentDocument {
  _id: string;
  status: PaymentStatus;
  orderId?: string;
  customerId?: string;
  currencyCode?: string;
  minorUnits?: bigint;
  fingerprint?: string;
  /** Sums over `refunds`, so that one condition bounds them. */
  reservedMinorUnits: bigint;
  refundedMinorUnits: bigint;
  refunds: Record<string, StoredRefund>;
  declineReason?: DeclineReason;
  providerReference?: string;
  /** Event key to detail. */
  events: Record<string, string>;
  /** The reconciler's schedule: see `PaymentStore`. */
  openWork: number;
  watched?: boolean;
  attemptTime: Date;
  chargeTime: Date;
  createTime: Date;
  updateTime: Date;
  [time: `time:${string}`]: Date;
}

interface StoredRefund {
  /** Older documents lack it: it is the charge's. */
  currencyCode?: string;
  minorUnits: bigint;
  reason: string;
  fingerprint: string;
  status: RefundStatus;
}

export const refundPath = (refundId: string, field?: "status"): string =>
  `refunds.${refundId}${field === undefined ? "" : `.${field}`}`;

/** The key of an event of one refund. */
export const eventKey = (type: EventType, refundId: string): string => `${type}:${refundId}`;

export const timeField = (key: string): `time:${string}` => `time:${key}`;

export function fromDocument(document: PaymentDocument): Payment {
  return {
    id: document._id,
    status: document.status,
    charge: storedCharge(document),
    refunds: refundsOf(document),
    declineReason: document.declineReason,
    providerReference: document.providerReference,
    events: eventsOf(document),
    createTime: document.createTime,
    updateTime: document.updateTime,
  };
}

function refundsOf(document: PaymentDocument): Refund[] {
  const refunds = Object.entries(document.refunds).map(
    ([id, { currencyCode = document.currencyCode ?? "", minorUnits, ...refund }]) => ({
      ...refund,
      id,
      amount: { currencyCode, minorUnits },
      createTime: timeOf(document, eventKey("REFUND_REQUESTED", id)),
    }),
  );
  return refunds.sort(byAge);
}

function eventsOf(document: PaymentDocument): PaymentEvent[] {
  const events = Object.entries(document.events).map(([key, detail]) => ({
    time: timeOf(document, key),
    type: key.split(":")[0] as EventType,
    detail,
  }));
  const rank = (event: PaymentEvent) => EVENT_TYPES.indexOf(event.type);
  return events.sort((a, b) => a.time.getTime() - b.time.getTime() || rank(a) - rank(b));
}

/** Every event is written together with its time. */
const timeOf = (document: PaymentDocument, key: string): Date =>
  document[timeField(key)] ?? document.updateTime;

/** The writes of a change; each event also writes the server's time. */
export interface Write {
  readonly set?: Readonly<Record<string, unknown>>;
  readonly add?: Readonly<Record<string, number | bigint>>;
  /** Event key to detail. */
  readonly events: Readonly<Record<string, string>>;
  /** Fields that become the server's time. */
  readonly now?: readonly ("attemptTime" | "chargeTime")[];
}

/** Returns the update of one document. It always writes a time, so it is never empty. */
export function toUpdate({
  set = {},
  add,
  events,
  now = [],
}: Write): UpdateFilter<PaymentDocument> {
  const keys = Object.keys(events);
  const $set = { ...set, ...Object.fromEntries(keys.map((key) => [`events.${key}`, events[key]])) };
  const times = [...keys.map(timeField), ...(keys.length > 0 ? ["updateTime"] : []), ...now];
  return {
    ...(Object.keys($set).length > 0 && { $set }),
    ...(add !== undefined && { $inc: add }),
    $currentDate: Object.fromEntries(times.map((field) => [field, true])),
  } as UpdateFilter<PaymentDocument>;
}

/** Returns the writes of a PENDING refund and of the amount that it reserves. */
export function addRefund({ id, amount, reason, fingerprint }: NewRefund) {
  return {
    set: { [refundPath(id)]: { ...amount, reason, fingerprint, status: "PENDING" } },
    add: { reservedMinorUnits: amount.minorUnits, openWork: 1 },
    events: { [eventKey("REFUND_REQUESTED", id)]: id },
  };
}
