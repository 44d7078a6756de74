import fc from "fast-check";
import { expect, test } from "vitest";
import {
  isSettled,
  ORDER_STATUSES,
  type OrderStatus,
  type Product,
  paymentIdOf,
  priceItems,
  statusDuring,
  TRANSITIONS,
} from "./order.ts";

const product = (sku: string, minorUnits: bigint, currencyCode = "EUR"): Product => ({
  sku,
  name: sku,
  description: "",
  price: { currencyCode, minorUnits },
  stock: 0n,
  updateTime: new Date(0),
});

const reason = (reason: string) => expect.objectContaining({ reason });

test("the total is the exact sum of the items at the catalog's prices", () => {
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
      const { items, total } = priceItems(
        wanted,
        wanted.map((line) => product(line.sku, line.price)),
      );
      const sum = items.reduce(
        (sum, { unitPrice, quantity }) => sum + unitPrice.minorUnits * BigInt(quantity),
        0n,
      );
      return (
        total.minorUnits === sum &&
        total.currencyCode === "EUR" &&
        wanted.every((line, i) => items[i]?.unitPrice.minorUnits === line.price)
      );
    }),
  );
});

test("refuses unknown products, mixed currencies and a total above 10^12", () => {
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
  expect(
    priceItems([{ sku: "A", quantity: 2 }], [product("A", 500_000_000_000n)]).total.minorUnits,
  ).toBe(10n ** 12n);
});

test("each order has one payment id, different from every other order's", () => {
  const [a, b] = [crypto.randomUUID(), crypto.randomUUID()];
  expect(paymentIdOf(a)).toBe(paymentIdOf(a));
  expect(paymentIdOf(a)).not.toBe(paymentIdOf(b));
});

test("final statuses lead nowhere, and every status can be reached from PENDING", () => {
  const reached = new Set<OrderStatus>(["PENDING"]);
  for (const status of reached) for (const next of TRANSITIONS[status]) reached.add(next);
  expect([...reached].sort()).toEqual([...ORDER_STATUSES].sort());
  expect(TRANSITIONS.REJECTED).toEqual([]);
  expect(TRANSITIONS.CANCELLED).toEqual([]);
});

test("an order with a running saga is not settled", () => {
  expect(ORDER_STATUSES.filter((status) => !isSettled(status))).toEqual(["PENDING", "CANCELLING"]);
});

test("an order needs attention while its saga is parked; resumed, it shows what the saga is doing", () => {
  expect(statusDuring("place-order", "NEEDS_ATTENTION")).toBe("NEEDS_ATTENTION");
  expect(statusDuring("place-order", "RUNNING")).toBe("PENDING");
  expect(statusDuring("place-order", "COMPENSATING")).toBe("CANCELLING");
  expect(statusDuring("cancel-order", "RUNNING")).toBe("CANCELLING");
});
