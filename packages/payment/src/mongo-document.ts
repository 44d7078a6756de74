import {
  type Charge,
  type DeclineReason,
  EVENT_TYPES,
  type EventType,
  type Payment,
  type PaymentEvent,
  type PaymentStatus,
  type Refund,
  type RefundStatus,
} from "./payment.ts";
import { byAge } from "./store.ts";

/**
 * One payment. Refunds and events stand under their keys and not in arrays: no event happens twice
 * to one payment or refund, so a change needs no place in an array, and one that is sent twice
 * writes once. The time of an event is a field of its own at the top, since servers that merely
 * speak MongoDB's protocol put their time nowhere else. int64 is bigint.
 */
export interface PaymentDocument {
  _id: string;
  status: PaymentStatus;
  orderId?: string;
  customerId?: string;
  currencyCode?: string;
  minorUnits?: bigint;
  fingerprint?: string;
  /** Sums over `refunds`, kept beside them so that one condition bounds them. */
  reservedMinorUnits: bigint;
  refundedMinorUnits: bigint;
  refunds: Record<
    string,
    { minorUnits: bigint; reason: string; fingerprint: string; status: RefundStatus }
  >;
  declineReason?: DeclineReason;
  providerReference?: string;
  /** Event key to detail. */
  events: Record<string, string>;
  /** How much of it waits for the provider: its charge, its refunds. */
  openWork: number;
  /** It was given up; the provider is asked now and then whether it was charged all the same. */
  watched?: boolean;
  /** When the provider was last asked about it, and when somebody last wanted it charged. */
  attemptTime: Date;
  chargeTime: Date;
  createTime: Date;
  updateTime: Date;
  [time: `time:${string}`]: Date;
}

export const refundPath = (refundId: string, field?: "status"): string =>
  `refunds.${refundId}${field === undefined ? "" : `.${field}`}`;

/** An event of the payment, or of one of its refunds. */
export const eventKey = (type: EventType, refundId: string): string => `${type}:${refundId}`;

export const timeField = (key: string): `time:${string}` => `time:${key}`;

export function fromDocument(document: PaymentDocument): Payment {
  return {
    id: document._id,
    status: document.status,
    charge: chargeOf(document),
    refunds: refundsOf(document),
    declineReason: document.declineReason,
    providerReference: document.providerReference,
    events: eventsOf(document),
    createTime: document.createTime,
    updateTime: document.updateTime,
  };
}

function chargeOf({
  orderId,
  customerId,
  currencyCode,
  minorUnits,
  fingerprint,
}: PaymentDocument): Charge | undefined {
  if (
    orderId === undefined ||
    customerId === undefined ||
    currencyCode === undefined ||
    minorUnits === undefined ||
    fingerprint === undefined
  ) {
    return undefined;
  }
  return { orderId, customerId, amount: { currencyCode, minorUnits }, fingerprint };
}

function refundsOf(document: PaymentDocument): Refund[] {
  const refunds = Object.entries(document.refunds).map(([id, refund]) => ({
    id,
    ...refund,
    createTime: timeOf(document, eventKey("REFUND_REQUESTED", id)),
  }));
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
