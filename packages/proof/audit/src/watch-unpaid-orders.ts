import { setTimeout as sleep } from "node:timers/promises";
import { BookReader } from "@tercet/payment";
import { connectPostgres, isDatabaseUnavailable } from "@tercet/service";
import { movementsOf, paymentOf } from "./invariants.ts";
import type { OrderRow, Sources } from "./snapshot.ts";

export interface UnpaidOrders {
  /** Ids of orders that were CONFIRMED but not paid at some instant. */
  readonly unpaid: readonly string[];
  /** The number of completed checks. */
  readonly looks: number;
}

export interface WatchOptions {
  readonly everyMs?: number;
  readonly onLook?: (soFar: UnpaidOrders) => void;
}

/**
 * Checks I12 every `everyMs` (200 by default) until the signal aborts. An order becomes CONFIRMED
 * at most once, so one that is so before and after the book is read was so in between. Skips a
 * check when the database is down.
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
      const { charges, refunds } = movementsOf(entries.get(paymentId));
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
