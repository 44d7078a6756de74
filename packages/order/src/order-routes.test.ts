import { expect, test } from "vitest";
import { timeToSettleMs } from "./order-routes.ts";

test.each([
  [10_000, 9_000],
  [1_000, 750],
  [100, 0],
])("of %i ms that a caller has left, an order may take %i", (leftMs, waitMs) => {
  expect(timeToSettleMs(leftMs)).toBe(waitMs);
});
