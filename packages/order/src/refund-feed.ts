import { setTimeout as sleep } from "node:timers/promises";
import type { Payment } from "@tercet/gen/payment/v1/payment_service";
import { type Logger, withLogContext } from "@tercet/service";
import type { RefundedPayment } from "./order.ts";
import type { OrderChanges } from "./order-changes.ts";
import type { PaymentClient } from "./payment-client.ts";
import type { OrderStore } from "./store.ts";

/** The name under which the position in the feed is stored. */
const FEED = "refunded-payments";
const PAGE_SIZE = 100;

export interface RefundFeedDeps {
  readonly store: Pick<OrderStore, "findFeed" | "recordRefunds">;
  readonly payments: Pick<PaymentClient, "listRefundedPayments">;
  readonly changes: Pick<OrderChanges, "publish">;
  readonly log: Logger;
  /** Pause between two rounds. */
  readonly intervalMs: number;
}

/**
 * Learns of the refunds that Payment made, also of those that an operator requested there, until
 * the signal aborts. Any number of replicas may run it. It continues where the database says, so
 * that no crash loses a refund. A failed round is repeated; only the first of several is logged.
 */
export async function runRefundFeed(deps: RefundFeedDeps, signal: AbortSignal): Promise<void> {
  let failing = false;
  while (!signal.aborted) {
    try {
      const round = { correlationId: crypto.randomUUID() };
      await withLogContext(round, async () => {
        while (!signal.aborted && (await readPage(deps, signal)) === PAGE_SIZE);
      });
      failing = false;
    } catch (error) {
      if (!failing && !signal.aborted)
        deps.log.warn(
          { event: "refund_feed_failed", err: error },
          "refunds could not be read from Payment; will retry",
        );
      failing = true;
    }
    await sleep(deps.intervalMs, undefined, { signal }).catch(() => {});
  }
}

/** Resolves to the number of payments on the page. */
async function readPage(
  { store, payments, changes }: RefundFeedDeps,
  signal: AbortSignal,
): Promise<number> {
  const pageToken = (await store.findFeed(FEED)) ?? "";
  const page = await payments.listRefundedPayments({ pageSize: PAGE_SIZE, pageToken }, { signal });
  if (page.payments.length === 0) return 0;
  const refunds = page.payments.flatMap(toRefund);
  const changed = await store.recordRefunds(FEED, page.nextPageToken, refunds);
  for (const orderId of changed) changes.publish(orderId);
  return page.payments.length;
}

function toRefund({ id, orderId, refunded }: Payment): RefundedPayment[] {
  if (refunded === undefined || orderId === "") return [];
  const { currencyCode, minorUnits } = refunded;
  return [{ orderId, paymentId: id, refunded: { currencyCode, minorUnits } }];
}
