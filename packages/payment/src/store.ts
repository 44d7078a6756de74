import type {
  Charge,
  ChargeOutcome,
  NewRefund,
  Payment,
  PaymentStatus,
  Refund,
} from "./payment.ts";

/**
 * The result of a conditional change: whether this call made it, and the payment after the call.
 */
export interface Change {
  readonly payment: Payment;
  readonly changed: boolean;
}

export interface PaymentFilter {
  readonly orderId: string | undefined;
  readonly customerId: string | undefined;
  readonly status: PaymentStatus | undefined;
}

/** Where a page begins. Ids are chosen by callers and have no order, so the time comes first. */
export interface PageKey {
  readonly createTime: Date;
  readonly id: string;
}

/** Where the feed of refunded payments continues. */
export interface ChangeKey {
  readonly updateTime: Date;
  readonly id: string;
}

/**
 * Stores payments. Each change is one atomic, conditional write of one payment that also appends to
 * its audit trail. All times are the database's. Every call is safe to repeat after a lost reply,
 * and from any number of replicas.
 *
 * Four fields beside the payment are the reconciler's schedule:
 *
 *     open ──► openWork 1, chargeTime now ──settle──► openWork 0: never read again
 *                 │  ▲                                    │
 *                 │  └─ open again: chargeTime now        ├─ reserveRefund: openWork +1
 *                 │                                       └─ settleRefund:  openWork -1
 *                 └─abandon──► openWork 0, watched ──keepWatch──► not watched, after a while
 *                   (chargeTime is long ago)  └─recordLateCharge──► openWork 1, not watched
 *
 * - `openWork` counts what waits for the provider: the charge, and each PENDING refund.
 *   `pendingSince` finds payments where it is more than 0.
 * - `watched` is set on an abandoned payment that the provider may still charge. `watchedSince`
 *   finds these.
 * - `attemptTime` is when the provider was last asked; both queries return the oldest first.
 * - `chargeTime` is when a caller last asked for the charge; `abandon` waits until it is old.
 */
export interface PaymentStore extends AsyncDisposable {
  /**
   * Stores the intent to charge, PENDING, before the provider is called. An existing payment is not
   * changed, except that a PENDING one counts as attempted now.
   */
  open(id: string, charge: Charge): Promise<Change>;

  /** PENDING becomes SUCCEEDED or DECLINED. */
  settle(id: string, outcome: ChargeOutcome): Promise<Change>;

  /**
   * PENDING becomes DECLINED with reason ABANDONED, and watched, unless a caller asked for the
   * charge (`open`) within the last `idleMs`.
   */
  abandon(id: string, idleMs: number): Promise<Change>;

  /** Stores a tombstone, so that a late charge is refused. An existing payment is not changed. */
  void(id: string, reason: string): Promise<Change>;

  /**
   * Records that the provider charged a DECLINED or VOIDED payment, with the PENDING refund of that
   * charge. Changes nothing if the payment has a refund. Ends its watch.
   */
  recordLateCharge(id: string, reference: string, refund: NewRefund): Promise<Change>;

  /** Stores a PENDING refund if its id is new and all refunds together stay within the capture. */
  reserveRefund(id: string, refund: NewRefund): Promise<Change>;

  /** A PENDING refund becomes SUCCEEDED. */
  settleRefund(id: string, refundId: string): Promise<Change>;

  /** Records that the provider was asked now: the payment goes to the end of `pendingSince`. */
  markAttempted(id: string): Promise<void>;

  /**
   * Records that the provider has not charged a watched payment until now. Ends its watch if it was
   * abandoned more than `forMs` ago.
   */
  keepWatch(id: string, forMs: number): Promise<void>;

  get(id: string): Promise<Payment | undefined>;

  /** Newest first, without their events; at most `limit`. */
  list(filter: PaymentFilter, after: PageKey | undefined, limit: number): Promise<Payment[]>;

  /**
   * Payments of which something was refunded, in the order of their last change, without their
   * events; at most `limit`. Leaves out those that changed within the last `ageMs`: a statement
   * writes the time at which it began, so one that commits later may have an earlier time.
   */
  listRefunded(after: ChangeKey | undefined, ageMs: number, limit: number): Promise<Payment[]>;

  /** Payments with open work that were not attempted within the last `ageMs`; oldest first. */
  pendingSince(ageMs: number, limit: number): Promise<Payment[]>;

  /** Watched payments that were not attempted within the last `ageMs`; oldest first. */
  watchedSince(ageMs: number, limit: number): Promise<Payment[]>;

  /** The system that the database belongs to; undefined before its first start. */
  findSystem(): Promise<string | undefined>;

  /** Throws unless the database answers. */
  ping(signal: AbortSignal): Promise<void>;
}

/** A change of a payment that does not exist: a defect of this service. */
export class UnknownPaymentError extends Error {
  override readonly name = "UnknownPaymentError";

  constructor(id: string) {
    super(`no payment ${id}`);
  }
}

/** Oldest first; by id where times are equal. */
export const byAge = (a: Refund, b: Refund): number =>
  a.createTime.getTime() - b.createTime.getTime() || (a.id < b.id ? -1 : 1);

type StoredFields = Partial<
  Record<"orderId" | "customerId" | "currencyCode" | "fingerprint", string | null> &
    Record<"minorUnits", bigint | null>
>;

/** Returns the charge of a stored payment: it has all of these fields, or none on a tombstone. */
export function storedCharge(fields: StoredFields): Charge | undefined {
  const { orderId, customerId, currencyCode, minorUnits, fingerprint } = fields;
  if (!orderId || !customerId || !currencyCode || !minorUnits || !fingerprint) return undefined;
  return { orderId, customerId, amount: { currencyCode, minorUnits }, fingerprint };
}
