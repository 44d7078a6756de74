import type { UpdateFilter } from "mongodb";
import { eventKey, type PaymentDocument, refundPath, timeField } from "./mongo-document.ts";
import type { NewRefund } from "./payment.ts";

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
