import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";
import { BACKOFF } from "./defaults.ts";

test.each([BACKOFF.RUN, BACKOFF.UNDO])(
  "a delay is between zero and the exponential bound",
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

test("delays spread over the whole range", () => {
  expect(backoffMs(BACKOFF.RUN, 3, () => 0)).toBe(0);
  expect(backoffMs(BACKOFF.RUN, 3, () => 0.999_999)).toBe(400);
});
