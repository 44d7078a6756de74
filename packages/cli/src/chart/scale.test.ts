import { expect, test } from "vitest";
import { clock, niceCeiling, ticks } from "./scale.ts";

test.each([
  [1, 1],
  [1.1, 2],
  [30, 40],
  [501, 600],
  [0.03, 0.04],
])("the scale for up to %d ends at %d", (value, ceiling) => {
  expect(niceCeiling(value)).toBeCloseTo(ceiling);
});

test.each([10_000, 90_000, 300_000, 1_140_000, 7_200_000])(
  "%d ms are divided into a few parts",
  (totalMs) => {
    const moments = ticks(totalMs);
    expect(moments[0]).toBe(0);
    expect(moments.length).toBeGreaterThan(4);
    expect(moments.length).toBeLessThan(15);
    expect(moments.at(-1)).toBeLessThanOrEqual(totalMs);
  },
);

test("a clock counts minutes on", () => {
  expect([0, 59_999, 65_000, 3_600_000].map(clock)).toEqual(["0:00", "0:59", "1:05", "60:00"]);
});
