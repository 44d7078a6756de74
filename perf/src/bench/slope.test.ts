import { expect, test } from "vitest";
import { slope } from "./slope.ts";

const hours = Array.from({ length: 60 }, (_, minute) => minute / 60);

test("a line has its slope, and no spread; an outlier does not move it", () => {
  const samples = hours.map((hour) => ({ hours: hour, value: 100 + 3 * hour }));
  const { value, from, to } = slope(samples.with(30, { hours: 0.5, value: 900 }));
  expect(value).toBeCloseTo(3);
  expect(from).toBeCloseTo(3, 0);
  expect(to).toBeCloseTo(3, 0);
});

test("the interval of noise without growth contains 0", () => {
  // A wave of ten minutes, as of a cache that fills and is emptied.
  const samples = hours.map((hour) => ({ hours: hour, value: 100 + 5 * Math.sin(hour * 37) }));
  const { from, to } = slope(samples);
  expect(from).toBeLessThan(0);
  expect(to).toBeGreaterThan(0);
});
