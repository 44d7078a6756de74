import {
  type Collection,
  type Db,
  type Filter,
  MongoServerError,
  type UpdateFilter,
} from "mongodb";
import {
  addRefund,
  eventKey,
  fromDocument,
  type PaymentDocument,
  refundPath,
  timeField,
  toUpdate,
  type Write,
} from "./mongo-document.ts";
import { DUPLICATE_KEY, reach } from "./mongo-errors.ts";
import {
  type Charge,
  type ChargeOutcome,
  isCaptured,
  type NewRefund,
  type Payment,
  refundedMinorUnits,
  refundedStatus,
  settledStatus,
} from "./payment.ts";
import {
  type Change,
  type ChangeKey,
  type PageKey,
  type PaymentFilter,
  UnknownPaymentError,
} from "./store.ts";

/** By path: the driver's types cannot follow paths into `refunds`, which contain ids. */
type Condition = Readonly<Record<string, unknown>>;

export const paymentsIn = (db: Db): Collection<PaymentDocument> => db.collection("payments");

export async function openPayment(db: Db, id: string, charge: Charge): Promise<Change> {
  const { orderId, customerId, amount, fingerprint } = charge;
  const fields = { orderId, customerId, ...amount, fingerprint, openWork: 1 };
  const opened = await insert(db, id, { ...fields, status: "PENDING" }, "CHARGE_REQUESTED", "");
  if (opened !== undefined) return { payment: opened, changed: true };
  // A write, so that the intent is on a majority before the provider is called: a read alone could
  // return what a failover then rolls back.
  const write = { events: {}, now: ["attemptTime", "chargeTime"] } as const;
  return { ...(await change(db, id, { status: "PENDING" }, write)), changed: false };
}

export function settle(db: Db, id: string, outcome: ChargeOutcome): Promise<Change> {
  const approved = outcome.outcome === "approved";
  const result = approved
    ? { providerReference: outcome.reference }
    : { declineReason: outcome.reason };
  const write = {
    set: { status: settledStatus(outcome), ...result },
    add: { openWork: -1 },
    events: approved
      ? { CHARGE_SUCCEEDED: outcome.reference }
      : { CHARGE_DECLINED: outcome.reason },
  };
  return change(db, id, { status: "PENDING" }, write);
}

export async function abandon(db: Db, id: string, idleMs: number): Promise<Change> {
  const idle = { status: "PENDING", chargeTime: { $lt: await serverTime(db, -idleMs) } };
  return change(db, id, idle, {
    set: { status: "DECLINED", declineReason: "ABANDONED", watched: true },
    add: { openWork: -1 },
    events: { CHARGE_DECLINED: "ABANDONED" },
    now: ["attemptTime"],
  });
}

export async function voidPayment(db: Db, id: string, reason: string): Promise<Change> {
  const voided = await insert(db, id, { status: "VOIDED", openWork: 0 }, "VOIDED", reason);
  return voided === undefined
    ? { payment: await requirePayment(db, id), changed: false }
    : { payment: voided, changed: true };
}

export function recordLateCharge(
  db: Db,
  id: string,
  reference: string,
  refund: NewRefund,
): Promise<Change> {
  const { set, add, events } = addRefund(refund);
  return change(
    db,
    id,
    { status: { $in: ["DECLINED", "VOIDED"] }, refunds: {} },
    {
      set: { ...set, providerReference: reference, watched: false },
      add,
      events: { CHARGE_SUCCEEDED: reference, ...events },
      now: ["attemptTime"],
    },
  );
}

export async function reserveRefund(db: Db, id: string, refund: NewRefund): Promise<Change> {
  const payment = await requirePayment(db, id);
  if (!isCaptured(payment) || payment.charge === undefined) return { payment, changed: false };
  // The capture never changes, so a bound computed from it holds whatever happens between the read
  // and the write.
  const room = payment.charge.amount.minorUnits - refund.amount.minorUnits;
  return change(
    db,
    id,
    { [refundPath(refund.id)]: { $exists: false }, reservedMinorUnits: { $lte: room } },
    { ...addRefund(refund), now: ["attemptTime"] },
  );
}

export async function settleRefund(db: Db, id: string, refundId: string): Promise<Change> {
  // Ends: each further round means that another refund of the payment was settled meanwhile.
  for (;;) {
    const payment = await requirePayment(db, id);
    const refund = payment.refunds.find((candidate) => candidate.id === refundId);
    if (refund?.status !== "PENDING") return { payment, changed: false };
    const seen = refundedMinorUnits(payment);
    const { minorUnits } = refund.amount;
    const captured = payment.charge?.amount.minorUnits ?? 0n;
    const status = refundedStatus(payment.status, captured, seen + minorUnits);
    const settled = await change(
      db,
      id,
      { [refundPath(refundId, "status")]: "PENDING", refundedMinorUnits: seen },
      {
        set: { status, [refundPath(refundId, "status")]: "SUCCEEDED" },
        add: { refundedMinorUnits: minorUnits, openWork: -1 },
        events: { [eventKey("REFUND_SUCCEEDED", refundId)]: refundId },
      },
    );
    if (settled.changed) return settled;
  }
}

export async function markAttempted(db: Db, id: string): Promise<void> {
  await reach(paymentsIn(db).updateOne({ _id: id }, { $currentDate: { attemptTime: true } }));
}

export async function keepWatch(db: Db, id: string, forMs: number): Promise<void> {
  const over = { _id: id, watched: true, updateTime: { $lt: await serverTime(db, -forMs) } };
  const { matchedCount } = await reach(
    paymentsIn(db).updateOne(over, { $set: { watched: false } }),
  );
  if (matchedCount === 0) await markAttempted(db, id);
}

/** Returns only what a majority has: a failover cannot roll it back, but it may be a moment old. */
export async function getPayment(db: Db, id: string): Promise<Payment | undefined> {
  const options = { readConcern: "majority" } as const;
  const document = await reach(paymentsIn(db).findOne({ _id: id }, options));
  return document === null ? undefined : fromDocument(document);
}

export async function listPayments(
  db: Db,
  filter: PaymentFilter,
  after: PageKey | undefined,
  limit: number,
): Promise<Payment[]> {
  const where: Filter<PaymentDocument> = Object.fromEntries(
    Object.entries(filter).filter(([, value]) => value !== undefined),
  );
  if (after !== undefined)
    where.$or = [
      { createTime: { $lt: after.createTime } },
      { createTime: after.createTime, _id: { $lt: after.id } },
    ];
  const cursor = paymentsIn(db).find(where).sort({ createTime: -1, _id: -1 }).limit(limit);
  return withoutEvents(await reach(cursor.toArray()));
}

/** The condition of the partial index by which `listRefunded` reads. */
export const REFUNDED = { refundedMinorUnits: { $gt: 0n } } as const;

export async function listRefunded(
  db: Db,
  after: ChangeKey | undefined,
  ageMs: number,
  limit: number,
): Promise<Payment[]> {
  const settled = { $lt: await serverTime(db, -ageMs) };
  const where: Filter<PaymentDocument> = {
    ...REFUNDED,
    // Not a tombstone: it belongs to no order.
    orderId: { $exists: true },
    updateTime: after === undefined ? settled : { ...settled, $gte: after.updateTime },
  };
  if (after !== undefined)
    where.$or = [
      { updateTime: { $gt: after.updateTime } },
      { updateTime: after.updateTime, _id: { $gt: after.id } },
    ];
  const cursor = paymentsIn(db).find(where).sort({ updateTime: 1, _id: 1 }).limit(limit);
  return withoutEvents(await reach(cursor.toArray()));
}

const withoutEvents = (documents: readonly PaymentDocument[]): Payment[] =>
  documents.map((document) => ({ ...fromDocument(document), events: [] }));

/** For `pendingSince` and `watchedSince`. */
export async function unattended(
  db: Db,
  which: Filter<PaymentDocument>,
  ageMs: number,
  limit: number,
): Promise<Payment[]> {
  const old = { ...which, attemptTime: { $lt: await serverTime(db, -ageMs) } };
  const cursor = paymentsIn(db).find(old).sort({ attemptTime: 1 }).limit(limit);
  return (await reach(cursor.toArray())).map(fromDocument);
}

/** The server's clock plus `offsetMs`: ages are never measured by the clock of this process. */
async function serverTime(db: Db, offsetMs: number): Promise<Date> {
  const { localTime } = await reach(db.command({ hello: 1 }));
  return new Date((localTime as Date).getTime() + offsetMs);
}

/**
 * Returns the payment as it is now, once a majority has it so. By a write that changes nothing,
 * because it waits for that: a read alone could return what another call has not finished to write,
 * and a failover then rolls back, such as the tombstone that keeps a late charge out.
 */
async function requirePayment(db: Db, id: string): Promise<Payment> {
  const nothing = { $unset: { nothing: "" } } as UpdateFilter<PaymentDocument>;
  const options = { returnDocument: "after" } as const;
  const document = await reach(paymentsIn(db).findOneAndUpdate({ _id: id }, nothing, options));
  if (document === null) throw new UnknownPaymentError(id);
  return fromDocument(document);
}

/**
 * Returns undefined if the payment exists. An upsert, because only an update can take the server's
 * time; its condition matches no document that exists.
 */
async function insert(
  db: Db,
  id: string,
  fields: Partial<PaymentDocument>,
  event: string,
  detail: string,
): Promise<Payment | undefined> {
  const absent: Filter<PaymentDocument> = { _id: id, createTime: { $exists: false } };
  const sums = { reservedMinorUnits: 0n, refundedMinorUnits: 0n };
  const times = ["createTime", "updateTime", "attemptTime", "chargeTime", timeField(event)];
  const update = {
    $setOnInsert: { ...fields, ...sums, refunds: {}, events: { [event]: detail } },
    $currentDate: Object.fromEntries(times.map((field) => [field, true])),
  } as UpdateFilter<PaymentDocument>;
  const options = { upsert: true, returnDocument: "after" } as const;
  try {
    const document = await reach(paymentsIn(db).findOneAndUpdate(absent, update, options));
    return document === null ? undefined : fromDocument(document);
  } catch (error) {
    if (error instanceof MongoServerError && error.code === DUPLICATE_KEY) return undefined;
    throw error;
  }
}

async function change(db: Db, id: string, condition: Condition, write: Write): Promise<Change> {
  const where = { ...condition, _id: id } as Filter<PaymentDocument>;
  const options = { returnDocument: "after" } as const;
  const document = await reach(paymentsIn(db).findOneAndUpdate(where, toUpdate(write), options));
  return document === null
    ? { payment: await requirePayment(db, id), changed: false }
    : { payment: fromDocument(document), changed: true };
}
