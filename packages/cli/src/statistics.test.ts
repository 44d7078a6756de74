import { expect, test } from "vitest";
import { distribution } from "./statistics.ts";

test("percentiles are values that occurred", () => {
  const values = Array.from({ length: 200 }, (_, n) => 200 - n);
  expect(distribution(values)).toEqual({ count: 200, min: 1, p50: 100, p99: 198, max: 200 });
  expect(distribution([7.4])).toEqual({ count: 1, min: 7, p50: 7, p99: 7, max: 7 });
  expect(distribution([])).toEqual({ count: 0, min: 0, p50: 0, p99: 0, max: 0 });
});
