import type {
  Charge,
  ChargeOutcome,
  Payment,
  PaymentStatus,
  Refund,
  RefundRequest,
} from "./payment.ts";

/**
 * A change that is conditional on the payment's state: `changed` tells whether this call made it,
 * `payment` is how it stands either way.
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

/**
 * The place after which a page begins: ids are the callers' own and have no order, so the time of
 * creation leads.
 */
export interface PageKey {
  readonly createTime: Date;
  readonly id: string;
}

/**
 * Where payments live. Each change is one atomic write of one payment: it decides, and appends to
 * the payment's audit trail, or it does nothing. All times are the database's. Safe to call again
 * after a lost reply, and from any number of replicas at once.
 */
export interface PaymentStore extends AsyncDisposable {
  /**
   * Stores the intent to charge, PENDING, before anybody asks the provider. A payment that is there
   * already stays as it is; when it is PENDING, it counts as attempted now.
   */
  open(id: string, charge: Charge): Promise<Change>;

  /** PENDING becomes SUCCEEDED or DECLINED. */
  settle(id: string, outcome: ChargeOutcome): Promise<Change>;

  /**
   * PENDING becomes DECLINED for ABANDONED, and watched, unless somebody wanted it charged (`open`)
   * within the last `unattendedMs`.
   */
  abandon(id: string, unattendedMs: number): Promise<Change>;

  /**
   * Leaves a tombstone where no payment is, so that a late charge is refused. A payment that is
   * there stays as it is.
   */
  void(id: string, reason: string): Promise<Change>;

  /**
   * The provider charged a payment that had been declined or voided meanwhile: records the charge,
   * and the refund, PENDING, that gives the money back. It need not be watched any longer.
   */
  recordLateCharge(id: string, reference: string, refund: RefundRequest): Promise<Change>;

  /**
   * Sets money aside for a refund, PENDING, when its id is new and all refunds together stay within
   * the capture.
   */
  reserveRefund(id: string, refund: RefundRequest): Promise<Change>;

  /** A PENDING refund becomes SUCCEEDED. */
  settleRefund(id: string, refundId: string): Promise<Change>;

  /**
   * Somebody asked the provider about it just now: it goes to the end of `pendingSince`. Not an
   * event of the payment.
   */
  markAttempted(id: string): Promise<void>;

  /**
   * The provider said just now that it did not charge a watched payment: it is asked again later,
   * unless the payment was given up more than `forMs` ago.
   */
  keepWatch(id: string, forMs: number): Promise<void>;

  get(id: string): Promise<Payment | undefined>;

  /** Newest first, without their events; at most `limit`. */
  list(filter: PaymentFilter, after: PageKey | undefined, limit: number): Promise<Payment[]>;

  /**
   * Payments that wait for the provider, for their charge or for a refund, and that nobody
   * attempted within the last `ageMs`; longest unattended first.
   */
  pendingSince(ageMs: number, limit: number): Promise<Payment[]>;

  /**
   * Watched payments that nobody asked the provider about within the last `ageMs`; longest
   * unattended first.
   */
  watchedSince(ageMs: number, limit: number): Promise<Payment[]>;

  /** Throws unless the database answers. */
  ping(signal: AbortSignal): Promise<void>;
}

/** A change was asked of a payment that was never opened: a defect of ours. */
export class UnknownPaymentError extends Error {
  constructor(id: string) {
    super(`no payment ${id}`);
    this.name = "UnknownPaymentError";
  }
}

/** Oldest first, and the same order every time. */
export const byAge = (a: Refund, b: Refund): number =>
  a.createTime.getTime() - b.createTime.getTime() || (a.id < b.id ? -1 : 1);
