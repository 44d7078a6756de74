import { noteLogContext } from "@tercet/service";
import { v5 as uuidv5 } from "uuid";
import { PaymentError, type PaymentReason } from "./errors.ts";
import * as events from "./events.ts";
import {
  assertSameFingerprint,
  type Charge,
  decideRefund,
  isCaptured,
  isSameAmount,
  type NewRefund,
  type Payment,
  type Refund,
  type RefundRequest,
} from "./payment.ts";
import type { PaymentDeps } from "./payment-deps.ts";
import {
  type ProviderCharge,
  ProviderOutcomeUnknownError,
  ProviderRefusedError,
  ProviderUnavailableError,
} from "./provider.ts";

export interface Outcome {
  readonly payment: Payment;
  /** The same request was carried out before. */
  readonly replayed: boolean;
}

export interface ChargeRequest {
  /** The idempotency key, here and at the provider. */
  readonly paymentId: string;
  readonly charge: Charge;
  /** The provider's token of a payment method; neither stored nor logged. */
  readonly token: string;
}

const RETRY_AFTER_MS = 1_000;
/**
 * The name from which the refund of a late charge gets its id, so that every process that finds the
 * charge asks for the same refund.
 */
const LATE_CHARGE = "tercet:late-charge:";

/**
 * Charges once for each payment id. Throws PAYMENT_VOIDED, REQUEST_ID_REUSED,
 * PROVIDER_UNAVAILABLE.
 */
export async function processPayment(deps: PaymentDeps, request: ChargeRequest): Promise<Outcome> {
  noteLogContext({ orderId: request.charge.orderId });
  const { payment, changed: created } = await deps.store.open(request.paymentId, request.charge);
  if (payment.status === "VOIDED")
    throw new PaymentError("PAYMENT_VOIDED", "the payment was refunded before it was charged");
  assertSameFingerprint(payment.charge?.fingerprint, request.charge.fingerprint, "payment_id");
  if (payment.status !== "PENDING")
    return { payment: await refundLateCharge(deps, payment), replayed: true };
  const known = created ? undefined : await findCharge(deps, payment);
  const result = known ?? (await chargeAtProvider(deps, payment, request.token));
  return { payment: await settleCharge(deps, payment, result), replayed: !created };
}

/**
 * Refunds once for each refund id. An unknown payment becomes a tombstone, VOIDED; a declined or
 * voided payment is returned as it is, once it is certain that no money is held. Throws what
 * `decideRefund` throws, PAYMENT_IN_PROGRESS while the outcome of the charge is unknown,
 * PROVIDER_REFUSED, PROVIDER_UNAVAILABLE.
 */
export async function refundPayment(
  deps: PaymentDeps,
  paymentId: string,
  request: RefundRequest,
): Promise<Outcome> {
  const existing = await getOrVoid(deps, paymentId, request.reason);
  noteLogContext({ orderId: existing.charge?.orderId });
  if (existing.status === "VOIDED") return refundVoided(deps, existing, request);
  const payment = await settlePending(deps, existing);
  if (!isCaptured(payment))
    return { payment: await requireNothingHeld(deps, payment), replayed: false };
  const { refund, ...reserved } = await reserveRefund(deps, payment, request);
  if (refund === undefined) return reserved;
  return { ...reserved, payment: await finishRefund(deps, reserved.payment, refund) };
}

/**
 * Settles a PENDING payment that the provider knows, and declines any other, unless a caller asked
 * for its charge within the last `idleMs`.
 */
export async function settleOrAbandon(
  deps: PaymentDeps,
  payment: Payment,
  idleMs: number,
): Promise<Payment> {
  const found = await findCharge(deps, payment);
  if (found) return settleCharge(deps, payment, found);
  const abandoned = await deps.store.abandon(payment.id, idleMs);
  if (abandoned.changed) events.abandoned(deps.log, abandoned.payment);
  return abandoned.payment;
}

/** Asks the provider for a PENDING refund, with the refund's own key, and records it. */
export async function finishRefund(
  deps: PaymentDeps,
  payment: Payment,
  refund: Refund,
): Promise<Payment> {
  if (refund.status === "SUCCEEDED") return payment;
  // Refund ids are unique within their payment only.
  const key = `${payment.id}.${refund.id}`;
  await callProvider(deps, payment, (signal) =>
    deps.provider.refund(key, payment.id, refund.amount, signal),
  );
  const settled = await deps.store.settleRefund(payment.id, refund.id);
  if (settled.changed) events.refunded(deps.log, settled.payment, refund);
  return settled.payment;
}

/**
 * Refunds an abandoned payment that the provider charged after all: a process may be suspended
 * before its call of the provider and die after it.
 */
export async function refundLateCharge(deps: PaymentDeps, payment: Payment): Promise<Payment> {
  if (payment.declineReason !== "ABANDONED") return payment;
  const found = await findCharge(deps, payment);
  return found ? refundIfNotCaptured(deps, payment, found) : payment;
}

async function chargeAtProvider(
  deps: PaymentDeps,
  payment: Payment,
  token: string,
): Promise<ProviderCharge> {
  const { charge } = payment;
  if (charge === undefined) throw new Error("a tombstone is not charged");
  const result = await callProvider(deps, payment, (signal) =>
    deps.provider.charge(payment.id, charge.amount, token, signal),
  );
  return requireSameAmount(payment, result);
}

async function findCharge(
  deps: PaymentDeps,
  payment: Payment,
): Promise<ProviderCharge | undefined> {
  const found = await callProvider(deps, payment, (signal) =>
    deps.provider.find(payment.id, signal),
  );
  return found && requireSameAmount(payment, found);
}

async function settleCharge(
  deps: PaymentDeps,
  payment: Payment,
  result: ProviderCharge,
): Promise<Payment> {
  const settled = await deps.store.settle(payment.id, result);
  if (settled.changed) events.settled(deps.log, settled.payment);
  return refundIfNotCaptured(deps, settled.payment, result);
}

/** Refunds an approved charge of a payment that was abandoned or voided meanwhile. */
async function refundIfNotCaptured(
  deps: PaymentDeps,
  payment: Payment,
  charge: ProviderCharge,
): Promise<Payment> {
  if (isCaptured(payment)) return payment;
  const recorded = await recordLateCharge(deps, payment, charge, {
    id: uuidv5(LATE_CHARGE + payment.id, uuidv5.URL),
    reason: "charged too late",
    fingerprint: LATE_CHARGE,
  });
  try {
    return await finishRefunds(deps, recorded);
  } catch (error) {
    // The reconciler continues it. The charge counts as declined in any case.
    if (error instanceof PaymentError) return recorded;
    throw error;
  }
}

/** Stores the refund before the provider is asked for it, so that no crash can lose it. */
async function recordLateCharge(
  { store, log }: PaymentDeps,
  payment: Payment,
  charge: ProviderCharge,
  refund: Omit<NewRefund, "amount">,
): Promise<Payment> {
  if (charge.outcome !== "approved") return payment;
  const { amount, reference } = charge;
  const recorded = await store.recordLateCharge(payment.id, reference, { ...refund, amount });
  if (recorded.changed) events.chargedTooLate(log, recorded.payment);
  return recorded.payment;
}

async function finishRefunds(deps: PaymentDeps, payment: Payment): Promise<Payment> {
  let current = payment;
  for (const refund of payment.refunds) current = await finishRefund(deps, current, refund);
  return current;
}

async function getOrVoid(deps: PaymentDeps, paymentId: string, reason: string): Promise<Payment> {
  const known = await deps.store.get(paymentId);
  if (known !== undefined) return known;
  const { payment, changed } = await deps.store.void(paymentId, reason);
  if (changed) events.voided(deps.log, payment);
  return payment;
}

/**
 * A payment that this database does not know may have been charged: the database may have been
 * restored from a backup older than the charge. The tombstone is there already, so no new charge
 * can start; then the provider is asked. What it charged goes back whole, because a voided payment
 * holds no money, and under the caller's refund id, because a refund from before the restore had
 * the same key and moves no money twice.
 */
async function refundVoided(
  deps: PaymentDeps,
  tombstone: Payment,
  request: RefundRequest,
): Promise<Outcome> {
  const same = tombstone.refunds.find(({ id }) => id === request.id);
  if (same) assertSameFingerprint(same.fingerprint, request.fingerprint, "refund_id");
  let payment = tombstone;
  if (payment.refunds.length === 0) {
    const found = await findCharge(deps, payment);
    if (found) payment = await recordLateCharge(deps, payment, found, request);
  }
  return { payment: await finishRefunds(deps, payment), replayed: same !== undefined };
}

async function settlePending(deps: PaymentDeps, payment: Payment): Promise<Payment> {
  if (payment.status !== "PENDING") return payment;
  const settled = await settleOrAbandon(deps, payment, deps.idleMs);
  if (settled.status === "PENDING") throw inProgress("the payment is being charged");
  return settled;
}

/** Makes sure that no money of a declined payment is held, as the reply to a refund says. */
async function requireNothingHeld(deps: PaymentDeps, payment: Payment): Promise<Payment> {
  const checked = await refundLateCharge(deps, payment);
  if (checked.refunds.some((refund) => refund.status === "PENDING"))
    throw inProgress("a late charge is being refunded");
  return checked;
}

/**
 * Ends: each further round means that another refund took part of what was left, or that another
 * call stored this one.
 */
async function reserveRefund(
  deps: PaymentDeps,
  payment: Payment,
  request: RefundRequest,
): Promise<Outcome & { refund?: Refund }> {
  for (let current = payment; ; ) {
    const decision = decideRefund(current, request);
    if (decision.kind === "nothing left") return { payment: current, replayed: false };
    if (decision.kind === "repeated")
      return { payment: current, refund: decision.refund, replayed: true };
    const reserved = await deps.store.reserveRefund(current.id, decision.refund);
    const refund = reserved.payment.refunds.find(({ id }) => id === request.id);
    if (reserved.changed && refund !== undefined)
      return { payment: reserved.payment, refund, replayed: false };
    current = reserved.payment;
  }
}

/**
 * Bounds one call of the provider, whether or not it heeds its signal. A refusal becomes
 * PROVIDER_REFUSED: no money moved. Any other failure becomes PROVIDER_UNAVAILABLE: the outcome is
 * unknown. In both cases the same call is safe to repeat.
 */
async function callProvider<T>(
  deps: PaymentDeps,
  payment: Payment,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new ProviderOutcomeUnknownError("the provider timed out");
    reject(error);
    over.abort(error);
  }, deps.providerTimeoutMs);
  try {
    return await Promise.race([call(over.signal), late]);
  } catch (error) {
    const failure = toPaymentError(error);
    if (failure === undefined) throw error;
    events.providerFailed(deps.log, payment, error as Error);
    throw failure;
  } finally {
    // A timeout that is left behind would make an error for each call.
    clearTimeout(timer);
  }
}

function toPaymentError(cause: unknown): PaymentError | undefined {
  const failure = (reason: PaymentReason, message: string) =>
    new PaymentError(reason, message, {}, { cause, retryAfterMs: RETRY_AFTER_MS });
  if (cause instanceof ProviderRefusedError)
    return failure("PROVIDER_REFUSED", `refused by the payment provider: ${cause.message}`);
  if (cause instanceof ProviderOutcomeUnknownError)
    return failure(
      "PROVIDER_UNAVAILABLE",
      "the payment provider did not respond; retry with the same id",
    );
  if (cause instanceof ProviderUnavailableError)
    return failure(
      "PROVIDER_UNAVAILABLE",
      "the payment provider is not available; retry with the same id",
    );
  return undefined;
}

const inProgress = (message: string): PaymentError =>
  new PaymentError("PAYMENT_IN_PROGRESS", message, {}, { retryAfterMs: RETRY_AFTER_MS });

/**
 * Throws if the provider reports another amount than was asked for; the payment then stays PENDING
 * for an operator to look at. A tombstone has no amount to compare.
 */
function requireSameAmount({ id, charge }: Payment, result: ProviderCharge): ProviderCharge {
  if (charge !== undefined && !isSameAmount(charge.amount, result.amount))
    throw new Error(`the provider charged another amount for payment ${id}`);
  return result;
}
