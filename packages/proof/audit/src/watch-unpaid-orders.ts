import { setTimeout as sleep } from "node:timers/promises";
import { BookReader } from "@tercet/payment";
import { connectPostgres, isDatabaseUnavailable } from "@tercet/service";
import type { OrderRow, Sources } from "./everything.ts";
import { moved, paymentOf } from "./invariants.ts";

export interface UnpaidOrders {
  /** Confirmed orders that were not paid for at some instant. */
  readonly unpaid: readonly string[];
  /** How often it looked. */
  readonly looks: number;
}

export interface WatchOptions {
  readonly everyMs?: number;
  readonly onLook?: (soFar: UnpaidOrders) => void;
}

/**
 * I12, looked at until the signal aborts. An order is CONFIRMED once and never again, so one that
 * was so before and after the book was read was so meanwhile. A database that is down is looked at
 * again later.
 */
export async function watchUnpaidOrders(
  { databaseUrls, bookDir }: Sources,
  signal: AbortSignal,
  { everyMs = 200, onLook }: WatchOptions = {},
): Promise<UnpaidOrders> {
  const sql = connectPostgres(databaseUrls.order, { max: 1, applicationName: "tercet-audit" });
  const confirmed = () =>
    sql<
      Pick<OrderRow, "id" | "paymentId">[]
    >`select id, payment_id from orders where status = 'CONFIRMED'`;
  const book = new BookReader(bookDir);
  const unpaid = new Set<string>();
  const look = async () => {
    const before = await confirmed();
    const entries = Map.groupBy(await book.read(), paymentOf);
    const still = new Set((await confirmed()).map(({ id }) => id));
    for (const { id, paymentId } of before) {
      const { charges, refunds } = moved(entries.get(paymentId));
      if (still.has(id) && (charges.length !== 1 || refunds.length > 0)) unpaid.add(id);
    }
  };
  let looks = 0;
  const soFar = (): UnpaidOrders => ({ unpaid: [...unpaid], looks });
  try {
    while (!signal.aborted) {
      try {
        await look();
        looks++;
        onLook?.(soFar());
      } catch (error) {
        if (!isDatabaseUnavailable(error)) throw error;
      }
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
    return soFar();
  } finally {
    await sql.end({ timeout: 1 });
  }
}
