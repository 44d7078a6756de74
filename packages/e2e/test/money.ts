import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { type BookEntry, readBook } from "@tercet/payment";
import type { Money } from "@tercet/service";
import { type Api, logIn, type Stack } from "@tercet/stack";
import { expect } from "vitest";

/** What the provider's book says about one payment. */
export interface Moved {
  readonly charges: readonly Money[];
  readonly refunds: readonly Money[];
}

export async function movedFor({ bookDir }: Pick<Stack, "bookDir">, paymentId: string): Promise<Moved> {
  const book = await readBook(bookDir);
  return {
    charges: book.filter((entry) => entry.kind === "charge" && entry.key === paymentId).map(({ amount }) => amount),
    refunds: book.filter((entry) => entry.kind === "refund" && entry.chargeKey === paymentId).map(({ amount }) => amount),
  };
}

/**
 * Holds the provider's book, which no service of ours can rewrite, against the orders: in each currency the money it kept is what the confirmed orders cost (I1),
 * each of them has one charge that was not refunded, every other charge was refunded in full, and no charge is without an order (I2, I5).
 * Answers how many orders there are in each status, so that a test can tell that it held something.
 */
export async function expectBookToAgree({ urls, users, bookDir }: Stack): Promise<Record<string, number>> {
  const orders = await allOrders(await logIn(urls.edge, users.olivia));
  const book = await readBook(bookDir);
  const confirmed = orders.filter(({ status }) => status === OrderStatus.CONFIRMED);
  expect(kept(book)).toEqual(sums(confirmed.map(({ total }) => total as Money)));

  const charges = book.filter((entry) => entry.kind === "charge");
  const byPayment = new Map(orders.map((order) => [order.paymentId, order]));
  expect(charges.filter(({ key }) => !byPayment.has(key))).toEqual([]);
  const charged = new Set(charges.map(({ key }) => key));
  expect(confirmed.filter(({ paymentId }) => !charged.has(paymentId))).toEqual([]);
  for (const { key, amount } of charges) {
    const refunds = book.filter((entry) => entry.kind === "refund" && entry.chargeKey === key).map((entry) => entry.amount);
    expect({ key, refunds }).toEqual({ key, refunds: byPayment.get(key)?.status === OrderStatus.CONFIRMED ? [] : [amount] });
  }
  return Object.fromEntries(
    Object.entries(Object.groupBy(orders, ({ status }) => OrderStatus[status])).map(([status, some]) => [status, some?.length ?? 0]),
  );
}

async function allOrders({ orders }: Api) {
  const all = [];
  for (let pageToken: string | undefined = ""; pageToken !== undefined; ) {
    const page = await orders.listOrders({ pageSize: 100, pageToken });
    all.push(...page.orders);
    pageToken = page.nextPageToken || undefined;
  }
  return all;
}

/** Charges less refunds, by currency. */
const kept = (book: readonly BookEntry[]) =>
  sums(
    book
      .filter(({ kind }) => kind !== "decline")
      .map(({ kind, amount }) => (kind === "refund" ? { ...amount, minorUnits: -amount.minorUnits } : amount)),
  );

/** Currencies in which nothing is left are left out. */
function sums(amounts: readonly Money[]): Record<string, bigint> {
  const totals: Record<string, bigint> = {};
  for (const { currencyCode, minorUnits } of amounts) totals[currencyCode] = (totals[currencyCode] ?? 0n) + minorUnits;
  return Object.fromEntries(Object.entries(totals).filter(([, total]) => total !== 0n));
}
