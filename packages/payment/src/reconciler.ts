import { setTimeout as delay } from "node:timers/promises";
import { PaymentError } from "./errors.ts";
import * as events from "./events.ts";
import type { Payment } from "./payment.ts";
import { finishRefund, type Payments, settleFromProvider } from "./payments.ts";

export interface ReconcilerOptions {
  /** How long it waits between two looks. */
  readonly intervalMs: number;
  /** How long a payment must be left alone before it is taken up; longer than one call of the provider. */
  readonly afterMs: number;
}

/** Small enough for the pool of connections. */
const BATCH = 20;

/** Finishes what crashes left PENDING, until the signal aborts. Any number of replicas may run it; whatever fails is tried again. */
export async function runReconciler(payments: Payments, options: ReconcilerOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      // A full batch means that more is waiting.
      while (!signal.aborted && (await reconcileBatch(payments, options.afterMs)) === BATCH);
    } catch (error) {
      events.reconcilerFailed(payments.log, error);
    }
    await delay(options.intervalMs, undefined, { signal }).catch(() => {});
  }
}

/** Takes up the payments that were left alone longest; answers how many. */
export async function reconcileBatch(payments: Payments, afterMs: number): Promise<number> {
  const pending = await payments.store.pendingSince(afterMs, BATCH);
  await Promise.all(pending.map((payment) => reconcileSafely(payments, payment, afterMs)));
  return pending.length;
}

/** One payment that cannot be finished must not hold up the others: it goes to the end of the queue. */
async function reconcileSafely(payments: Payments, payment: Payment, afterMs: number): Promise<void> {
  try {
    await reconcile(payments, payment, afterMs);
  } catch (error) {
    // An answer that never came has been reported where it was asked for.
    if (!(error instanceof PaymentError)) events.reconcileFailed(payments.log, payment, error);
    await payments.store.markAttempted(payment.id);
  }
}

async function reconcile(payments: Payments, payment: Payment, afterMs: number): Promise<void> {
  if (payment.status === "PENDING") return reconcileCharge(payments, payment, afterMs);
  for (const refund of payment.refunds.filter(({ status }) => status === "PENDING")) await finishRefund(payments, payment, refund);
}

/** It never charges: the customer may be gone. What the provider has not heard of is given up, unless somebody took it up meanwhile. */
async function reconcileCharge(payments: Payments, payment: Payment, afterMs: number): Promise<void> {
  if ((await settleFromProvider(payments, payment)) !== undefined) return;
  const abandoned = await payments.store.abandon(payment.id, afterMs);
  if (abandoned.changed) events.abandoned(payments.log, abandoned.payment);
}
