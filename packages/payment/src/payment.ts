import { type Money, requestIdReused } from "@tercet/service";
import { PaymentError } from "./errors.ts";

export const PAYMENT_STATUSES = [
  "PENDING",
  "SUCCEEDED",
  "DECLINED",
  "PARTIALLY_REFUNDED",
  "REFUNDED",
  "VOIDED",
] as const;
export type PaymentStatus = (typeof PAYMENT_STATUSES)[number];
export type RefundStatus = "PENDING" | "SUCCEEDED";

/** ABANDONED: the provider was not reached in time. The others are the provider's own. */
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

/** What the caller asked to charge; it never changes. */
export interface Charge {
  readonly orderId: string;
  readonly customerId: string;
  readonly amount: Money;
  /** Distinguishes a repeated request from another one with the same payment id. */
  readonly fingerprint: string;
}

/** A refund as the caller asked for it. */
export interface RefundRequest {
  /** The caller's key, unique within its payment. */
  readonly id: string;
  /** Undefined: all that is left. */
  readonly amount: Money | undefined;
  readonly reason: string;
  /** Distinguishes a repeated request from another one with the same refund id. */
  readonly fingerprint: string;
}

/** A refund as it was decided on: its amount is known, in the charge's currency, more than 0. */
export interface NewRefund extends RefundRequest {
  readonly amount: Money;
}

export interface Refund extends NewRefund {
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
  /** Undefined on a tombstone: no request to charge it is known. */
  readonly charge: Charge | undefined;
  /** Oldest first. A DECLINED or VOIDED payment has at most one: of a late charge. */
  readonly refunds: readonly Refund[];
  readonly declineReason: DeclineReason | undefined;
  readonly providerReference: string | undefined;
  /** Oldest first; empty in lists. */
  readonly events: readonly PaymentEvent[];
  readonly createTime: Date;
  readonly updateTime: Date;
}

export type ChargeOutcome =
  | { readonly outcome: "approved"; readonly reference: string }
  | { readonly outcome: "declined"; readonly reason: DeclineReason };

/**
 * Every legal transition. VOIDED has no way in: it is the first status of a tombstone, which a
 * refund leaves where no payment is. The conditions of both stores repeat this table; the contract
 * suite (`store.contract.ts`) holds them to it.
 */
export const TRANSITIONS: Readonly<Record<PaymentStatus, readonly PaymentStatus[]>> = {
  PENDING: ["SUCCEEDED", "DECLINED"],
  SUCCEEDED: ["PARTIALLY_REFUNDED", "REFUNDED"],
  PARTIALLY_REFUNDED: ["PARTIALLY_REFUNDED", "REFUNDED"],
  DECLINED: [],
  REFUNDED: [],
  VOIDED: [],
};

/** A transition that the table does not have: a defect of this service, never of its caller. */
export class IllegalTransitionError extends Error {
  override readonly name = "IllegalTransitionError";

  constructor(from: PaymentStatus, to: PaymentStatus) {
    super(`a payment cannot go from ${from} to ${to}`);
  }
}

/** Returns `to` if the table allows it. Throws IllegalTransitionError. */
export function transition(from: PaymentStatus, to: PaymentStatus): PaymentStatus {
  if (!TRANSITIONS[from].includes(to)) throw new IllegalTransitionError(from, to);
  return to;
}

/** The statuses of a payment that the provider charged and that could be refunded. */
export const CAPTURED: readonly PaymentStatus[] = ["SUCCEEDED", "PARTIALLY_REFUNDED", "REFUNDED"];

export const isCaptured = (payment: Payment): boolean => CAPTURED.includes(payment.status);

/** Returns the status after PENDING. */
export function settledStatus(outcome: ChargeOutcome): PaymentStatus {
  return transition("PENDING", outcome.outcome === "approved" ? "SUCCEEDED" : "DECLINED");
}

/**
 * Returns the status after a refund succeeded; `refunded` is the sum including it. The refund of a
 * late charge does not change the status.
 */
export function refundedStatus(
  from: PaymentStatus,
  captured: bigint,
  refunded: bigint,
): PaymentStatus {
  if (!CAPTURED.includes(from)) return from;
  return transition(from, refunded === captured ? "REFUNDED" : "PARTIALLY_REFUNDED");
}

const sum = (refunds: readonly Refund[]): bigint =>
  refunds.reduce((total, { amount }) => total + amount.minorUnits, 0n);

/** Returns the sum of the refunds that succeeded, in minor units. */
export const refundedMinorUnits = (payment: Payment): bigint =>
  sum(payment.refunds.filter((refund) => refund.status === "SUCCEEDED"));

/** Returns the capture less every refund, PENDING ones included; 0 unless captured. */
export function refundableMinorUnits(payment: Payment): bigint {
  return isCaptured(payment) && payment.charge !== undefined
    ? payment.charge.amount.minorUnits - sum(payment.refunds)
    : 0n;
}

export const isSameAmount = (a: Money, b: Money): boolean =>
  a.minorUnits === b.minorUnits && a.currencyCode === b.currencyCode;

/** Throws REQUEST_ID_REUSED unless the same key came with the same request. */
export function assertSameFingerprint(
  known: string | undefined,
  fingerprint: string,
  field: string,
): void {
  if (known !== fingerprint) throw requestIdReused(field);
}

export type RefundDecision =
  | { readonly kind: "repeated"; readonly refund: Refund }
  | { readonly kind: "new"; readonly refund: NewRefund }
  | { readonly kind: "nothing left" };

/**
 * Decides on a refund of a captured payment in its current state. Throws REQUEST_ID_REUSED,
 * CURRENCY_MISMATCH, REFUND_EXCEEDS_CAPTURE, and PAYMENT_IN_PROGRESS when the request is for all
 * that is left, nothing is left, and another refund is still PENDING.
 */
export function decideRefund(payment: Payment, request: RefundRequest): RefundDecision {
  const known = payment.refunds.find((refund) => refund.id === request.id);
  if (known !== undefined) {
    assertSameFingerprint(known.fingerprint, request.fingerprint, "refund_id");
    return { kind: "repeated", refund: known };
  }
  const amount = refundAmount(payment, request.amount);
  if (amount.minorUnits > 0n) return { kind: "new", refund: { ...request, amount } };
  // "Nothing left" says that the money is back; while a refund is PENDING it is not.
  if (payment.status !== "REFUNDED")
    throw new PaymentError("PAYMENT_IN_PROGRESS", "another refund of this payment is in progress");
  return { kind: "nothing left" };
}

function refundAmount(payment: Payment, requested: Money | undefined): Money {
  const left = refundableMinorUnits(payment);
  const currencyCode = payment.charge?.amount.currencyCode ?? "";
  if (requested === undefined) return { currencyCode, minorUnits: left };
  if (requested.currencyCode !== currencyCode)
    throw new PaymentError("CURRENCY_MISMATCH", `the payment is in ${currencyCode}`);
  if (requested.minorUnits > left)
    throw new PaymentError(
      "REFUND_EXCEEDS_CAPTURE",
      "the refund is more than what is left of the payment",
      { refundable_minor_units: String(left) },
    );
  return requested;
}
