import { metrics } from "@opentelemetry/api";
import { isDatabaseUnavailable, type Logger, ReasonError } from "@tercet/service";
import type { Payment, Refund } from "./payment.ts";

/**
 * What happened to payments, one function each. Never the payment token, which they do not even
 * get.
 */

const meter = metrics.getMeter("@tercet/payment");
const charges = meter.createCounter("tercet.payment.charges", {
  unit: "{payment}",
  description: "Charges that were settled, by status",
});
const refunds = meter.createCounter("tercet.payment.refunds", {
  unit: "{refund}",
  description: "Refunds that the provider made",
});
const abandonments = meter.createCounter("tercet.payment.abandoned", {
  unit: "{payment}",
  description: "Payments given up because the provider had not heard of them",
});
const lateCharges = meter.createCounter("tercet.payment.late_charges", {
  unit: "{payment}",
  description: "Charges of payments that had been given up; the money goes back",
});

// A series that is not there until something happens hides the first time that it does.
for (const counter of [refunds, abandonments, lateCharges]) counter.add(0);

const detail = (payment: Payment) => ({
  payment_id: payment.id,
  order_id: payment.charge?.orderId,
  status: payment.status,
  currency_code: payment.charge?.amount.currencyCode,
  minor_units: payment.charge && String(payment.charge.amount.minorUnits),
  decline_reason: payment.declineReason,
});

export function settled(log: Logger, payment: Payment): void {
  charges.add(1, {
    status: payment.status,
    ...(payment.declineReason !== undefined && { reason: payment.declineReason }),
  });
  log.info(
    detail(payment),
    payment.status === "DECLINED" ? "payment declined" : "payment succeeded",
  );
}

export function voided(log: Logger, payment: Payment): void {
  log.info(detail(payment), "payment voided before it was charged");
}

export function abandoned(log: Logger, payment: Payment): void {
  abandonments.add(1);
  log.warn(detail(payment), "payment abandoned: the provider has never heard of it");
}

export function refunded(log: Logger, payment: Payment, refund: Refund): void {
  refunds.add(1);
  log.info(
    { ...detail(payment), refund_id: refund.id, refund_minor_units: String(refund.minorUnits) },
    "payment refunded",
  );
}

export function chargedTooLate(log: Logger, payment: Payment): void {
  lateCharges.add(1);
  log.warn(
    detail(payment),
    "the provider charged a payment that was given up; the money goes back",
  );
}

export function providerFailed(log: Logger, payment: Payment, error: Error): void {
  log.warn({ ...detail(payment), err: error }, "the payment provider failed");
}

export function reconcileFailed(log: Logger, payment: Payment, error: unknown): void {
  log[levelOf(error)](
    { ...detail(payment), err: error },
    "a payment could not be reconciled; it will be tried again",
  );
}

export function reconcilerFailed(log: Logger, error: unknown): void {
  log[levelOf(error)](
    { err: error },
    "the reconciler could not look for pending payments; it will look again",
  );
}

/** A database that is down comes back by itself. */
const levelOf = (error: unknown): "warn" | "error" =>
  isDatabaseUnavailable(error) || error instanceof ReasonError ? "warn" : "error";
