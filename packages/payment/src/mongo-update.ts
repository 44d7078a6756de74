import type { UpdateFilter } from "mongodb";
import { eventKey, type PaymentDocument, refundPath, timeField } from "./mongo-document.ts";
import type { RefundRequest } from "./payment.ts";

/** What a change writes; `events` get the server's time. */
export interface Write {
  readonly set?: Readonly<Record<string, unknown>>;
  readonly add?: Readonly<Record<string, number | bigint>>;
  /** Event key to detail. */
  readonly events: Readonly<Record<string, string>>;
  /** Times of the payment that are now. */
  readonly now?: readonly ("attemptTime" | "chargeTime")[];
}

/** The update of one document. It never lacks a time, so it is never empty. */
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

/** A refund, PENDING, with the money it sets aside. */
export function addRefund({ id, minorUnits, reason, fingerprint }: RefundRequest) {
  return {
    set: { [refundPath(id)]: { minorUnits, reason, fingerprint, status: "PENDING" } },
    add: { reservedMinorUnits: minorUnits, openWork: 1 },
    events: { [eventKey("REFUND_REQUESTED", id)]: id },
  };
}
