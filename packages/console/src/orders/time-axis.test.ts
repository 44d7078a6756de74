import { expect, test } from "vitest";
import { timeAxis } from "./time-axis.ts";

test("a moment is where its share of the time is", () => {
  const axis = timeAxis(1_000, 2_000, [{ startMs: 1_000, endMs: 2_000 }]);
  expect([1_000, 1_500, 2_000].map(axis.at)).toEqual([0, 0.5, 1]);
});

test("moments before and after the axis are at its ends", () => {
  const axis = timeAxis(1_000, 2_000, [{ startMs: 1_000, endMs: 2_000 }]);
  expect([0, 9_000].map(axis.at)).toEqual([0, 1]);
});

test("a long time in which nothing happened is cut out", () => {
  const day = 86_400_000;
  const axis = timeAxis(0, day + 500, [
    { startMs: 0, endMs: 500 },
    { startMs: day, endMs: day + 500 },
  ]);
  expect(axis.stretches).toHaveLength(2);
  expect(axis.at(500)).toBeCloseTo(0.475);
  expect(axis.at(day)).toBeCloseTo(0.525);
  expect(axis.at(day + 500)).toBe(1);
  expect(axis.ticks.at(-1)).toEqual({ at: axis.at(day), ms: day });
});

test("a short pause between attempts is not cut", () => {
  const axis = timeAxis(0, 3_000, [
    { startMs: 0, endMs: 100 },
    { startMs: 2_500, endMs: 3_000 },
  ]);
  expect(axis.stretches).toHaveLength(1);
});

test("ticks are at round times, and not too many", () => {
  for (const endMs of [1, 7, 84, 420, 2_170, 61_000, 118_000]) {
    const { ticks } = timeAxis(0, endMs, [{ startMs: 0, endMs }]);
    expect(ticks.length, `${endMs} ms`).toBeLessThanOrEqual(8);
    for (const { ms } of ticks) expect(String(ms)).toMatch(/^(0|[125]?\d0*|\d+)$/);
    expect(ticks.every(({ at }) => at >= 0 && at <= 1)).toBe(true);
  }
});

test("an order of one moment has a width", () => {
  const axis = timeAxis(5, 5, []);
  expect(axis.at(5)).toBe(0);
  expect(axis.stretches[0]?.to).toBe(1);
});
