import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs, FORWARD_BACKOFF, UNDO_BACKOFF } from "./backoff.ts";

test.each([FORWARD_BACKOFF, UNDO_BACKOFF])(
  "stays between nothing and the exponential bound",
  (backoff) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, chance) => {
          const delay = backoffMs(backoff, failures, () => chance);
          return (
            delay >= 0 && delay <= Math.min(backoff.maxMs, backoff.initialMs * 2 ** (failures - 1))
          );
        },
      ),
    );
  },
);

test("spreads over the whole range", () => {
  expect(backoffMs(FORWARD_BACKOFF, 3, () => 0)).toBe(0);
  expect(backoffMs(FORWARD_BACKOFF, 3, () => 0.999_999)).toBe(400);
});
