import { type Money, RequestError } from "@tercet/service";
import { PaymentError } from "./errors.ts";

export type PaymentStatus =
  | "PENDING"
  | "SUCCEEDED"
  | "DECLINED"
  | "PARTIALLY_REFUNDED"
  | "REFUNDED"
  | "VOIDED";
export type RefundStatus = "PENDING" | "SUCCEEDED";

/**
 * ABANDONED: nobody could tell the provider to charge in time, and nobody will. The others are the
 * provider's own words.
 */
export type DeclineReason = "CARD_DECLINED" | "INSUFFICIENT_FUNDS" | "LIMIT_EXCEEDED" | "ABANDONED";

/** In the order in which they can happen to one payment. */
export const EVENT_TYPES = [
  "CHARGE_REQUESTED",
  "VOIDED",
  "CHARGE_DECLINED",
  "CHARGE_SUCCEEDED",
  "REFUND_REQUESTED",
  "REFUND_SUCCEEDED",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** What the caller asked to be charged; it never changes. */
export interface Charge {
  readonly orderId: string;
  readonly customerId: string;
  readonly amount: Money;
  /** Tells a repeated request from another one under the same payment id. */
  readonly fingerprint: string;
}

export interface RefundRequest {
  /** The caller's key, unique within its payment. */
  readonly id: string;
  /** In the charge's currency, more than 0. */
  readonly minorUnits: bigint;
  readonly reason: string;
  /** Tells a repeated request from another one under the same refund id. */
  readonly fingerprint: string;
}

export interface Refund extends RefundRequest {
  readonly status: RefundStatus;
  readonly createTime: Date;
}

export interface PaymentEvent {
  readonly time: Date;
  readonly type: EventType;
  readonly detail: string;
}

export interface Payment {
  readonly id: string;
  readonly status: PaymentStatus;
  /** Undefined on a tombstone: the refund came, the charge never did. */
  readonly charge: Charge | undefined;
  /** Oldest first. */
  readonly refunds: readonly Refund[];
  readonly declineReason: DeclineReason | undefined;
  readonly providerReference: string | undefined;
  /** Oldest first; empty in lists. */
  readonly events: readonly PaymentEvent[];
  readonly createTime: Date;
  readonly updateTime: Date;
}

/** How a charge ended. */
export type ChargeOutcome =
  | { readonly outcome: "approved"; readonly reference: string }
  | { readonly outcome: "declined"; readonly reason: DeclineReason };

/**
 * Every legal move. VOIDED has no way in: a payment is born with it, as the tombstone a refund
 * leaves, or never gets it.
 */
export const TRANSITIONS: Readonly<Record<PaymentStatus, readonly PaymentStatus[]>> = {
  PENDING: ["SUCCEEDED", "DECLINED"],
  SUCCEEDED: ["PARTIALLY_REFUNDED", "REFUNDED"],
  PARTIALLY_REFUNDED: ["PARTIALLY_REFUNDED", "REFUNDED"],
  DECLINED: [],
  REFUNDED: [],
  VOIDED: [],
};

/** A move that the transition table does not have: a defect of ours, never of the caller. */
export class IllegalMoveError extends Error {
  constructor(from: PaymentStatus, to: PaymentStatus) {
    super(`a payment cannot go from ${from} to ${to}`);
    this.name = "IllegalMoveError";
  }
}

/** `to`, when the table allows it. Throws IllegalMoveError. */
export function move(from: PaymentStatus, to: PaymentStatus): PaymentStatus {
  if (!TRANSITIONS[from].includes(to)) throw new IllegalMoveError(from, to);
  return to;
}

/** The statuses of a payment whose money the provider has taken, all or in part still ours. */
export const CAPTURED: readonly PaymentStatus[] = ["SUCCEEDED", "PARTIALLY_REFUNDED", "REFUNDED"];

export const isCaptured = (payment: Payment): boolean => CAPTURED.includes(payment.status);

/** Where a charge that was PENDING goes. */
export function settledStatus(outcome: ChargeOutcome): PaymentStatus {
  return move("PENDING", outcome.outcome === "approved" ? "SUCCEEDED" : "DECLINED");
}

/**
 * Where a refund that succeeded leads, `refunded` being the sum with it. A payment that gave a late
 * charge back stays what it is.
 */
export function refundedStatus(
  from: PaymentStatus,
  captured: bigint,
  refunded: bigint,
): PaymentStatus {
  if (!CAPTURED.includes(from)) return from;
  return move(from, refunded === captured ? "REFUNDED" : "PARTIALLY_REFUNDED");
}

const sum = (refunds: readonly Refund[]): bigint =>
  refunds.reduce((total, refund) => total + refund.minorUnits, 0n);

/** The sum of the refunds that succeeded, in minor units. */
export const refundedMinorUnits = (payment: Payment): bigint =>
  sum(payment.refunds.filter((refund) => refund.status === "SUCCEEDED"));

/**
 * What a new refund may take: the capture less every refund, whether it succeeded already or is on
 * its way. 0 unless captured.
 */
export function refundableMinorUnits(payment: Payment): bigint {
  return isCaptured(payment) && payment.charge !== undefined
    ? payment.charge.amount.minorUnits - sum(payment.refunds)
    : 0n;
}

/** The same key must come with the same request. Throws REQUEST_ID_REUSED. */
export function assertSameRequest(
  known: string | undefined,
  fingerprint: string,
  field: string,
): void {
  if (known !== fingerprint)
    throw new RequestError(
      "REQUEST_ID_REUSED",
      `this ${field} was used before with another request`,
      { field },
    );
}

export interface RefundWish {
  readonly id: string;
  /** Undefined: all that is left. */
  readonly amount: Money | undefined;
  readonly reason: string;
  readonly fingerprint: string;
}

export type RefundDecision =
  | { readonly kind: "repeated"; readonly refund: Refund }
  | { readonly kind: "new"; readonly refund: RefundRequest }
  | { readonly kind: "nothing left" };

/**
 * What a wish for a refund comes to on a captured payment as it is now. Throws REQUEST_ID_REUSED,
 * CURRENCY_MISMATCH, REFUND_EXCEEDS_CAPTURE, and PAYMENT_IN_PROGRESS when all that is left was
 * asked for while the rest is still on its way back.
 */
export function decideRefund(payment: Payment, wish: RefundWish): RefundDecision {
  const known = payment.refunds.find((refund) => refund.id === wish.id);
  if (known !== undefined) {
    assertSameRequest(known.fingerprint, wish.fingerprint, "refund_id");
    return { kind: "repeated", refund: known };
  }
  const minorUnits = refundAmount(payment, wish.amount);
  if (minorUnits > 0n)
    return {
      kind: "new",
      refund: { id: wish.id, minorUnits, reason: wish.reason, fingerprint: wish.fingerprint },
    };
  // "Nothing left" tells the caller that the money is back; while a refund is PENDING it is not.
  if (payment.status !== "REFUNDED")
    throw new PaymentError("PAYMENT_IN_PROGRESS", "another refund of this payment is on its way");
  return { kind: "nothing left" };
}

function refundAmount(payment: Payment, wanted: Money | undefined): bigint {
  const left = refundableMinorUnits(payment);
  if (wanted === undefined) return left;
  const currency = payment.charge?.amount.currencyCode;
  if (wanted.currencyCode !== currency)
    throw new PaymentError("CURRENCY_MISMATCH", `the payment is in ${currency}`);
  if (wanted.minorUnits > left) {
    const metadata = { refundable_minor_units: String(left) };
    throw new PaymentError(
      "REFUND_EXCEEDS_CAPTURE",
      "the refund is more than what is left of the payment",
      metadata,
    );
  }
  return wanted.minorUnits;
}
