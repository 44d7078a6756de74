import { type Logger, type Money, noteLogContext } from "@tercet/service";
import { v5 as uuidv5 } from "uuid";
import { PaymentError } from "./errors.ts";
import * as events from "./events.ts";
import {
  assertSameRequest,
  type Charge,
  decideRefund,
  isCaptured,
  type Payment,
  type Refund,
  type RefundWish,
} from "./payment.ts";
import {
  type PaymentProvider,
  type ProviderCharge,
  ProviderUnavailableError,
  UnknownOutcomeError,
} from "./provider.ts";
import type { PaymentStore } from "./store.ts";

/** What the use cases work with. */
export interface Payments {
  readonly store: PaymentStore;
  readonly provider: PaymentProvider;
  readonly log: Logger;
  /**
   * How long one call of the provider may take. Never the caller's deadline: who goes away must not
   * cut off what is being recorded.
   */
  readonly providerTimeoutMs: number;
  /**
   * A payment that nobody wanted charged for so long is not on its way to the provider; longer than
   * one call of it.
   */
  readonly unattendedMs: number;
}

/** `replayed`: the request was seen before. */
export interface Answer {
  readonly payment: Payment;
  readonly replayed: boolean;
}

export interface ChargeRequest {
  /** The key, here and at the provider. */
  readonly paymentId: string;
  readonly charge: Charge;
  /** The provider's; it is neither stored nor logged. */
  readonly token: string;
}

const RETRY_AFTER_MS = 1_000;
/**
 * The refund of a charge that came too late has its id from this name and the payment's, so that
 * everybody who finds the charge refunds it once.
 */
const LATE_CHARGE = "tercet:late-charge:";

/**
 * Charges once, however often it is asked. Throws PAYMENT_VOIDED, REQUEST_ID_REUSED,
 * PROVIDER_UNAVAILABLE.
 */
export async function processPayment(payments: Payments, request: ChargeRequest): Promise<Answer> {
  noteLogContext({ orderId: request.charge.orderId });
  const { payment, changed: created } = await payments.store.open(
    request.paymentId,
    request.charge,
  );
  if (payment.status === "VOIDED")
    throw new PaymentError("PAYMENT_VOIDED", "the payment was refunded before it was charged");
  assertSameRequest(payment.charge?.fingerprint, request.charge.fingerprint, "payment_id");
  if (payment.status !== "PENDING")
    return { payment: await giveLateChargeBack(payments, payment), replayed: true };
  const known = created ? undefined : await findCharge(payments, payment);
  const result = known ?? (await chargeAtProvider(payments, payment, request.token));
  return { payment: await settleCharge(payments, payment, result), replayed: !created };
}

/**
 * Gives money back, once for each refund id. A payment that is not known is voided; one that was
 * declined or voided answers as it is. Throws what `decideRefund` throws, PAYMENT_IN_PROGRESS while
 * nobody knows whether the charge happened, PROVIDER_UNAVAILABLE.
 */
export async function refundPayment(
  payments: Payments,
  paymentId: string,
  wish: RefundWish,
): Promise<Answer> {
  const existing = await getOrVoid(payments, paymentId, wish.reason);
  noteLogContext({ orderId: existing.charge?.orderId });
  const payment = await settlePending(payments, existing);
  if (!isCaptured(payment))
    return { payment: await nothingToRefund(payments, payment), replayed: false };
  const reserved = await reserveRefund(payments, payment, wish);
  if (reserved.refund === undefined) return { payment: reserved.payment, replayed: false };
  return {
    payment: await finishRefund(payments, reserved.payment, reserved.refund),
    replayed: reserved.replayed,
  };
}

/** Settles what the provider knows of a PENDING payment; undefined when it knows nothing. */
export async function settleFromProvider(
  payments: Payments,
  payment: Payment,
): Promise<Payment | undefined> {
  const found = await findCharge(payments, payment);
  return found && settleCharge(payments, payment, found);
}

/** Asks the provider for a refund that is PENDING, with its own key, and records it. */
export async function finishRefund(
  payments: Payments,
  payment: Payment,
  refund: Refund,
): Promise<Payment> {
  if (refund.status === "SUCCEEDED") return payment;
  const amount = { ...amountOf(payment), minorUnits: refund.minorUnits };
  // Refund ids are unique within their payment only.
  const key = `${payment.id}.${refund.id}`;
  await ask(payments, payment, (signal) =>
    payments.provider.refund(key, payment.id, amount, signal),
  );
  const settled = await payments.store.settleRefund(payment.id, refund.id);
  if (settled.changed) events.refunded(payments.log, settled.payment, refund);
  return settled.payment;
}

async function chargeAtProvider(
  payments: Payments,
  payment: Payment,
  token: string,
): Promise<ProviderCharge> {
  const result = await ask(payments, payment, (signal) =>
    payments.provider.charge(payment.id, amountOf(payment), token, signal),
  );
  return sameAmount(payment, result);
}

async function findCharge(
  payments: Payments,
  payment: Payment,
): Promise<ProviderCharge | undefined> {
  const found = await ask(payments, payment, (signal) =>
    payments.provider.find(payment.id, signal),
  );
  return found && sameAmount(payment, found);
}

async function settleCharge(
  payments: Payments,
  payment: Payment,
  result: ProviderCharge,
): Promise<Payment> {
  const settled = await payments.store.settle(payment.id, result);
  if (settled.changed) events.settled(payments.log, settled.payment);
  return result.outcome === "approved"
    ? giveBackUnlessCaptured(payments, settled.payment, result.reference)
    : settled.payment;
}

/**
 * An abandoned payment may have been charged all the same, by a process that was stopped for a long
 * time before its call of the provider and died after it.
 */
export async function giveLateChargeBack(payments: Payments, payment: Payment): Promise<Payment> {
  if (payment.declineReason !== "ABANDONED") return payment;
  const found = await findCharge(payments, payment);
  return found?.outcome === "approved"
    ? giveBackUnlessCaptured(payments, payment, found.reference)
    : payment;
}

/**
 * The payment was given up while the provider charged it: the refund is stored before it is asked
 * for, so that it happens whatever happens here.
 */
async function giveBackUnlessCaptured(
  payments: Payments,
  payment: Payment,
  reference: string,
): Promise<Payment> {
  if (isCaptured(payment)) return payment;
  const id = uuidv5(LATE_CHARGE + payment.id, uuidv5.URL);
  const { minorUnits } = amountOf(payment);
  const recorded = await payments.store.recordLateCharge(payment.id, reference, {
    id,
    minorUnits,
    reason: "charged too late",
    fingerprint: LATE_CHARGE,
  });
  if (recorded.changed) events.chargedTooLate(payments.log, recorded.payment);
  const refund = recorded.payment.refunds.find((candidate) => candidate.id === id);
  if (refund === undefined) return recorded.payment;
  try {
    return await finishRefund(payments, recorded.payment, refund);
  } catch (error) {
    // The reconciler goes on with it; the charge is declined whether or not the money is back
    // already.
    if (error instanceof PaymentError) return recorded.payment;
    throw error;
  }
}

async function getOrVoid(payments: Payments, paymentId: string, reason: string): Promise<Payment> {
  const known = await payments.store.get(paymentId);
  if (known !== undefined) return known;
  const { payment, changed } = await payments.store.void(paymentId, reason);
  if (changed) events.voided(payments.log, payment);
  return payment;
}

async function settlePending(payments: Payments, payment: Payment): Promise<Payment> {
  if (payment.status !== "PENDING") return payment;
  const settled =
    (await settleFromProvider(payments, payment)) ??
    (await abandonUnattended(payments, payment, payments.unattendedMs));
  if (settled.status === "PENDING") throw inProgress("the payment is being charged");
  return settled;
}

/**
 * Gives up a payment that the provider has not heard of, unless somebody wanted it charged within
 * the last `unattendedMs`.
 */
export async function abandonUnattended(
  payments: Payments,
  payment: Payment,
  unattendedMs: number,
): Promise<Payment> {
  const abandoned = await payments.store.abandon(payment.id, unattendedMs);
  if (abandoned.changed) events.abandoned(payments.log, abandoned.payment);
  return abandoned.payment;
}

/**
 * The answer to a refund of a payment that was declined or voided: it says that no money is kept,
 * so it must be true.
 */
async function nothingToRefund(payments: Payments, payment: Payment): Promise<Payment> {
  const checked = await giveLateChargeBack(payments, payment);
  if (checked.refunds.some((refund) => refund.status === "PENDING"))
    throw inProgress("a late charge is being given back");
  return checked;
}

/**
 * Ends: a round is lost only when another refund took of what is left, which is finite, or was this
 * one.
 */
async function reserveRefund(
  payments: Payments,
  payment: Payment,
  wish: RefundWish,
): Promise<Answer & { refund?: Refund }> {
  for (let current = payment; ; ) {
    const decision = decideRefund(current, wish);
    if (decision.kind === "nothing left") return { payment: current, replayed: false };
    if (decision.kind === "repeated")
      return { payment: current, refund: decision.refund, replayed: true };
    const reserved = await payments.store.reserveRefund(current.id, decision.refund);
    const refund = reserved.payment.refunds.find(({ id }) => id === wish.id);
    if (reserved.changed && refund !== undefined)
      return { payment: reserved.payment, refund, replayed: false };
    current = reserved.payment;
  }
}

/**
 * One call of the provider, bounded whether or not it heeds its signal. Failures become
 * PROVIDER_UNAVAILABLE: the outcome is unknown, and asking again is safe.
 */
async function ask<T>(
  payments: Payments,
  payment: Payment,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signal = AbortSignal.timeout(payments.providerTimeoutMs);
  try {
    return await Promise.race([call(signal), rejectOnAbort(signal)]);
  } catch (error) {
    if (!(error instanceof UnknownOutcomeError || error instanceof ProviderUnavailableError))
      throw error;
    events.providerFailed(payments.log, payment, error);
    const options = { cause: error, retryAfterMs: RETRY_AFTER_MS };
    throw new PaymentError(
      "PROVIDER_UNAVAILABLE",
      "the payment provider did not answer; ask again with the same id",
      {},
      options,
    );
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener(
      "abort",
      () => reject(new UnknownOutcomeError("the provider did not answer in time")),
      { once: true },
    );
  });
}

const inProgress = (message: string): PaymentError =>
  new PaymentError("PAYMENT_IN_PROGRESS", message, {}, { retryAfterMs: RETRY_AFTER_MS });

function amountOf(payment: Payment): Money {
  if (payment.charge === undefined) throw new Error("a tombstone has no amount");
  return payment.charge.amount;
}

/**
 * What the provider says it charged is checked, not believed. Throws, and the payment stays PENDING
 * for a person to look at.
 */
function sameAmount(payment: Payment, result: ProviderCharge): ProviderCharge {
  const { minorUnits, currencyCode } = amountOf(payment);
  const same =
    result.amount.minorUnits === minorUnits && result.amount.currencyCode === currencyCode;
  if (!same) throw new Error(`the provider charged another amount for payment ${payment.id}`);
  return result;
}
