import { expect, test } from "vitest";
import { compare, comparePercentile, inTurn } from "./compare.ts";

test("ratios are taken within a round: a machine that becomes half as fast changes none", () => {
  expect(compare([200, 100, 100], [100, 50, 50], (value) => value)).toEqual({ value: 100, ratio: 2, from: 2, to: 2 });
});

test("each round begins with another variant, and has them all", () => {
  expect([1, 2, 3].map((round) => inTurn(["a", "b", "c"], round).join(""))).toEqual(["bca", "cab", "abc"]);
});

test("a tail is of all rounds together: one slow round of both variants changes its ratio little", () => {
  const round = (scale: number) => Array.from({ length: 100 }, (_, index) => index * scale);
  const base = [round(1), round(1), round(10)];
  const twice = base.map((samples) => samples.map((sample) => sample * 2));
  expect(comparePercentile(twice, base, 0.95)).toEqual({ value: comparePercentile(base, base, 0.95).value * 2, ratio: 2, from: 2, to: 2 });
});

test("a difference that only some rounds show is not sure", () => {
  const { from, to } = comparePercentile([[1], [1], [9], [9]], [[1], [1], [1], [1]], 0.5);
  expect([from, to]).toEqual([1, 9]);
});
