import { expect, test } from "vitest";
import { compare, inTurn } from "./compare.ts";

test("ratios are taken within a round: a machine that becomes half as fast changes none", () => {
  expect(compare([200, 100, 100], [100, 50, 50], (value) => value)).toEqual({ value: 100, ratio: 2, from: 2, to: 2 });
});

test("each round begins with another variant, and has them all", () => {
  expect([1, 2, 3].map((round) => inTurn(["a", "b", "c"], round).join(""))).toEqual(["bca", "cab", "abc"]);
});
