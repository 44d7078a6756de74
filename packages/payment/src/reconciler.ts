import { setTimeout as delay } from "node:timers/promises";
import { PaymentError } from "./errors.ts";
import * as events from "./events.ts";
import type { Payment } from "./payment.ts";
import {
  abandonUnattended,
  finishRefund,
  giveLateChargeBack,
  type Payments,
  settleFromProvider,
} from "./payments.ts";

export interface ReconcilerOptions {
  /** How long it waits between two looks. */
  readonly intervalMs: number;
  /** How long a payment must be left alone before the provider is asked what became of it. */
  readonly afterMs: number;
  /**
   * How long nobody must have wanted it charged before it is given up; longer than those who want
   * it go on asking.
   */
  readonly abandonAfterMs: number;
  /** How often the provider is asked whether it charged an abandoned payment all the same, late. */
  readonly watchEveryMs: number;
  /** For how long after it was abandoned. */
  readonly watchForMs: number;
}

/** Small enough for the pool of connections. */
const BATCH = 20;

/**
 * Finishes what crashes left PENDING, until the signal aborts. Any number of replicas may run it;
 * whatever fails is tried again.
 */
export async function runReconciler(
  payments: Payments,
  options: ReconcilerOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      // A full batch means that more is waiting.
      while (!signal.aborted && (await reconcileBatch(payments, options)) === BATCH);
      while (!signal.aborted && (await watchBatch(payments, options)) === BATCH);
    } catch (error) {
      events.reconcilerFailed(payments.log, error);
    }
    await delay(options.intervalMs, undefined, { signal }).catch(() => {});
  }
}

/** Takes up the payments that were left alone longest; answers how many. */
export async function reconcileBatch(
  payments: Payments,
  { afterMs, abandonAfterMs }: Pick<ReconcilerOptions, "afterMs" | "abandonAfterMs">,
): Promise<number> {
  const pending = await payments.store.pendingSince(afterMs, BATCH);
  await Promise.all(
    pending.map((payment) =>
      safely(payments, payment, () => reconcile(payments, payment, abandonAfterMs)),
    ),
  );
  return pending.length;
}

/**
 * Asks after payments that were given up: a process that was stopped for a long time on its way to
 * the provider may have charged one since, and died before it could say so. Answers how many.
 */
export async function watchBatch(
  payments: Payments,
  { watchEveryMs, watchForMs }: Pick<ReconcilerOptions, "watchEveryMs" | "watchForMs">,
): Promise<number> {
  const watched = await payments.store.watchedSince(watchEveryMs, BATCH);
  await Promise.all(
    watched.map((payment) =>
      safely(payments, payment, async () => {
        await giveLateChargeBack(payments, payment);
        await payments.store.keepWatch(payment.id, watchForMs);
      }),
    ),
  );
  return watched.length;
}

/**
 * One payment that cannot be finished must not hold up the others: it goes to the end of the queue.
 */
async function safely(
  payments: Payments,
  payment: Payment,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    // An answer that never came has been reported where it was asked for.
    if (!(error instanceof PaymentError)) events.reconcileFailed(payments.log, payment, error);
    await payments.store.markAttempted(payment.id);
  }
}

async function reconcile(
  payments: Payments,
  payment: Payment,
  abandonAfterMs: number,
): Promise<void> {
  if (payment.status === "PENDING") return reconcileCharge(payments, payment, abandonAfterMs);
  for (const refund of payment.refunds.filter(({ status }) => status === "PENDING"))
    await finishRefund(payments, payment, refund);
}

/**
 * It never charges: the customer may be gone. Those who want the payment charged ask again
 * themselves; when they no longer do, it is given up.
 */
async function reconcileCharge(
  payments: Payments,
  payment: Payment,
  abandonAfterMs: number,
): Promise<void> {
  const settled =
    (await settleFromProvider(payments, payment)) ??
    (await abandonUnattended(payments, payment, abandonAfterMs));
  if (settled.status === "PENDING") await payments.store.markAttempted(payment.id);
}
