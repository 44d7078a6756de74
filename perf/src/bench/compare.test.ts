import { expect, test } from "vitest";
import { compare, comparePercentile, inTurn } from "./compare.ts";

test("ratios are taken within a round: a machine that becomes half as fast changes none", () => {
  expect(compare([200, 100, 100], [100, 50, 50], (value) => value)).toEqual({
    value: 100,
    ratio: 2,
    from: 2,
    to: 2,
  });
});

test("each round begins with another variant, and has them all", () => {
  expect([1, 2, 3].map((round) => inTurn(["a", "b", "c"], round).join(""))).toEqual([
    "bca",
    "cab",
    "abc",
  ]);
});

test("a percentile is of all rounds, and the same rounds are drawn for both variants", () => {
  const base = [[1, 2, 3, 4], [5], [6]];
  const twice = base.map((samples) => samples.map((sample) => sample * 2));
  expect(comparePercentile(twice, base, 0.95)).toEqual({ value: 12, ratio: 2, from: 2, to: 2 });
});

test("a difference in only some rounds has a wide interval", () => {
  const base = [[1], [1], [1]];
  expect(comparePercentile([[1], [9], [9]], base, 0.5)).toMatchObject({ ratio: 9, from: 1, to: 9 });
  expect(comparePercentile([[1], [1], [9]], base, 0.5)).toMatchObject({ ratio: 1, from: 1, to: 9 });
});
