import { setTimeout as delay } from "node:timers/promises";
import { PaymentError } from "./errors.ts";
import * as events from "./events.ts";
import type { Payment } from "./payment.ts";
import type { PaymentDeps } from "./payment-deps.ts";
import { finishRefund, refundLateCharge, settleOrAbandon } from "./use-cases.ts";

export interface ReconcilerOptions {
  /** Pause between two rounds. */
  readonly intervalMs: number;
  /** How long a payment must not have been attempted before the provider is asked about it. */
  readonly afterMs: number;
  /** How long no caller must have asked for a charge before it is abandoned. */
  readonly abandonAfterMs: number;
  /** How often the provider is asked whether it charged an abandoned payment after all. */
  readonly watchEveryMs: number;
  /** How long after it was abandoned. */
  readonly watchForMs: number;
}

/** Small enough for the connection pool. */
const BATCH = 20;

/**
 * Finishes what crashes left PENDING, until the signal aborts. Any number of replicas may run it;
 * failures are retried.
 */
export async function runReconciler(
  deps: PaymentDeps,
  options: ReconcilerOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      // A full batch means that there may be more.
      while (!signal.aborted && (await reconcileBatch(deps, options)) === BATCH);
      while (!signal.aborted && (await watchBatch(deps, options)) === BATCH);
    } catch (error) {
      events.reconcilerFailed(deps.log, error);
    }
    await delay(options.intervalMs, undefined, { signal }).catch(() => {});
  }
}

/** Reconciles the payments that were attempted longest ago; resolves to their number. */
export async function reconcileBatch(
  deps: PaymentDeps,
  { afterMs, abandonAfterMs }: Pick<ReconcilerOptions, "afterMs" | "abandonAfterMs">,
): Promise<number> {
  const pending = await deps.store.pendingSince(afterMs, BATCH);
  return forEach(deps, pending, (payment) => reconcile(deps, payment, abandonAfterMs));
}

/**
 * Asks the provider about abandoned payments: a process that was suspended before its call of the
 * provider may have charged one since, and died before it recorded that. Resolves to their number.
 */
export async function watchBatch(
  deps: PaymentDeps,
  { watchEveryMs, watchForMs }: Pick<ReconcilerOptions, "watchEveryMs" | "watchForMs">,
): Promise<number> {
  const watched = await deps.store.watchedSince(watchEveryMs, BATCH);
  return forEach(deps, watched, async (payment) => {
    await refundLateCharge(deps, payment);
    await deps.store.keepWatch(payment.id, watchForMs);
  });
}

/** A payment that fails goes to the end of the queue, so that it does not hold up the others. */
async function forEach(
  deps: PaymentDeps,
  payments: readonly Payment[],
  work: (payment: Payment) => Promise<void>,
): Promise<number> {
  const attempt = async (payment: Payment) => {
    try {
      await work(payment);
    } catch (error) {
      // `callProvider` has logged a provider that did not respond.
      if (!(error instanceof PaymentError)) events.reconcileFailed(deps.log, payment, error);
      await deps.store.markAttempted(payment.id);
    }
  };
  await Promise.all(payments.map(attempt));
  return payments.length;
}

/**
 * Never charges: the customer may be gone, and a caller that still wants the charge asks for it
 * again.
 */
async function reconcile(
  deps: PaymentDeps,
  payment: Payment,
  abandonAfterMs: number,
): Promise<void> {
  if (payment.status !== "PENDING") {
    for (const refund of payment.refunds) await finishRefund(deps, payment, refund);
    return;
  }
  const settled = await settleOrAbandon(deps, payment, abandonAfterMs);
  if (settled.status === "PENDING") await deps.store.markAttempted(payment.id);
}
