import { metrics } from "@opentelemetry/api";
import { isDatabaseUnavailable, type Logger, ReasonError } from "@tercet/service";
import type { Payment, Refund } from "./payment.ts";

/** One function per event: its counter, and a log line with the details. */

const meter = metrics.getMeter("@tercet/payment");
const counter = (name: string, description: string, unit = "{payment}") =>
  meter.createCounter(`tercet.payment.${name}`, { unit, description });
const charges = counter("charges", "Charges that were settled, by status");
const refunds = counter("refunds", "Refunds that the provider made", "{refund}");
const abandonments = counter("abandoned", "Abandoned because the provider did not know them");
const lateCharges = counter("late_charges", "Charges of abandoned or voided payments: refunded");

// A series that first appears with its first event hides that event from increase().
for (const counter of [refunds, abandonments, lateCharges]) counter.add(0);

const fieldsOf = (event: string, payment: Payment) => ({
  event,
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
  const outcome = payment.status === "DECLINED" ? "declined" : "succeeded";
  log.info(fieldsOf(`payment_${outcome}`, payment), `payment ${outcome}`);
}

export function voided(log: Logger, payment: Payment): void {
  log.info(fieldsOf("payment_voided", payment), "payment voided before it was charged");
}

export function abandoned(log: Logger, payment: Payment): void {
  abandonments.add(1);
  const fields = fieldsOf("payment_abandoned", payment);
  log.warn(fields, "payment abandoned: the provider does not know it");
}

export function refunded(log: Logger, payment: Payment, { id, amount }: Refund): void {
  refunds.add(1);
  const refund = { refund_id: id, refund_minor_units: String(amount.minorUnits) };
  log.info({ ...fieldsOf("payment_refunded", payment), ...refund }, "payment refunded");
}

export function chargedTooLate(log: Logger, payment: Payment): void {
  lateCharges.add(1);
  const fields = fieldsOf("payment_charged_late", payment);
  log.warn(fields, "the provider charged an abandoned or voided payment; refunding it");
}

export function providerFailed(log: Logger, payment: Payment, error: Error): void {
  log.warn({ ...fieldsOf("provider_failed", payment), err: error }, "the payment provider failed");
}

export function reconcileFailed(log: Logger, payment: Payment, error: unknown): void {
  log[levelOf(error)](
    { ...fieldsOf("reconcile_failed", payment), err: error },
    "a payment could not be reconciled; will retry",
  );
}

export function reconcilerFailed(log: Logger, error: unknown): void {
  log[levelOf(error)](
    { event: "reconciler_failed", err: error },
    "the reconciler could not look for pending payments; will retry",
  );
}

/** An unavailable dependency recovers without an operator. */
const levelOf = (error: unknown): "warn" | "error" =>
  isDatabaseUnavailable(error) || error instanceof ReasonError ? "warn" : "error";
