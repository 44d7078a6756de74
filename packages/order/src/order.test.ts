import fc from "fast-check";
import { expect, test } from "vitest";
import {
  isSettled,
  type OrderStatus,
  paymentIdOf,
  priceItems,
  statusDuring,
  TRANSITIONS,
} from "./order.ts";
import type { Product } from "./product.ts";

const product = (sku: string, price: bigint, currency = "EUR"): Product => ({
  sku,
  name: sku,
  description: "",
  currency,
  price,
  stock: 0n,
  updateTime: new Date(0),
});

const reason = (reason: string) => expect.objectContaining({ reason });

test("the total is the exact sum of what was ordered, at the catalog's prices", () => {
  const lines = fc.uniqueArray(
    fc.record({
      sku: fc.stringMatching(/^[A-Z]{1,8}$/),
      price: fc.bigInt(1n, 10n ** 8n),
      quantity: fc.integer({ min: 1, max: 100 }),
    }),
    { selector: (line) => line.sku, minLength: 1, maxLength: 50 },
  );
  fc.assert(
    fc.property(lines, (wanted) => {
      const { items, total, currency } = priceItems(
        wanted,
        wanted.map((line) => product(line.sku, line.price)),
      );
      const sum = items.reduce((t, item) => t + BigInt(item.unitPrice) * BigInt(item.quantity), 0n);
      return (
        total === sum &&
        currency === "EUR" &&
        wanted.every((line, i) => items[i]?.unitPrice === String(line.price))
      );
    }),
  );
});

test("refuses what is not in the catalog, mixed currencies, and a total beyond 10^12", () => {
  expect(() => priceItems([{ sku: "A", quantity: 1 }], [])).toThrow(reason("UNKNOWN_SKU"));
  const both = [product("A", 1n, "EUR"), product("B", 1n, "USD")];
  expect(() =>
    priceItems(
      [
        { sku: "A", quantity: 1 },
        { sku: "B", quantity: 1 },
      ],
      both,
    ),
  ).toThrow(reason("CURRENCY_MISMATCH"));
  expect(() => priceItems([{ sku: "A", quantity: 2 }], [product("A", 500_000_000_001n)])).toThrow(
    reason("TOTAL_TOO_LARGE"),
  );
  expect(priceItems([{ sku: "A", quantity: 2 }], [product("A", 500_000_000_000n)]).total).toBe(
    10n ** 12n,
  );
});

test("one order has one payment id, and no other order has it", () => {
  const [a, b] = [crypto.randomUUID(), crypto.randomUUID()];
  expect(paymentIdOf(a)).toBe(paymentIdOf(a));
  expect(paymentIdOf(a)).not.toBe(paymentIdOf(b));
});

test("final statuses lead nowhere, and every status can be reached from PENDING", () => {
  const reached = new Set<OrderStatus>(["PENDING"]);
  for (const status of reached) for (const next of TRANSITIONS[status]) reached.add(next);
  expect([...reached].sort()).toEqual(Object.keys(TRANSITIONS).sort());
  expect(TRANSITIONS.REJECTED).toEqual([]);
  expect(TRANSITIONS.CANCELLED).toEqual([]);
});

test("an order that something is still happening to is not settled", () => {
  expect(
    (Object.keys(TRANSITIONS) as OrderStatus[]).filter((status) => !isSettled(status)),
  ).toEqual(["PENDING", "CANCELLING"]);
});

test("a parked order needs attention whichever saga is parked; a resumed one shows what it goes on with", () => {
  expect(statusDuring("place-order", "NEEDS_ATTENTION")).toBe("NEEDS_ATTENTION");
  expect(statusDuring("place-order", "RUNNING")).toBe("PENDING");
  expect(statusDuring("place-order", "COMPENSATING")).toBe("CANCELLING");
  expect(statusDuring("cancel-order", "RUNNING")).toBe("CANCELLING");
});
