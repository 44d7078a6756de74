import { create } from "@bufbuild/protobuf";
import { MoneySchema } from "@tercet/gen/common/v1/money";
import { expect, test } from "vitest";
import { formatAgo, formatMoney, formatSpan } from "./format.ts";

const money = (currencyCode: string, minorUnits: bigint) =>
  formatMoney(create(MoneySchema, { currencyCode, minorUnits }));

test("money has the digits of its currency, and none is lost", () => {
  expect(money("EUR", 1_999n)).toBe("€19.99");
  expect(money("JPY", 1_999n)).toBe("¥1,999");
  expect(money("EUR", 5n)).toBe("€0.05");
  expect(money("EUR", 9_007_199_254_740_993n)).toBe("€90,071,992,547,409.93");
});

test.each([
  [0.4, "0 ms"],
  [840, "840 ms"],
  [1_000, "1 s"],
  [2_170, "2.17 s"],
  [59_900, "59.9 s"],
  [59_999, "1 min"],
  [200_000, "3 min 20 s"],
  [7_500_000, "2 h 5 min"],
  [180_000_000, "2 d 2 h"],
])("%d ms is %s", (ms, text) => {
  expect(formatSpan(ms)).toBe(text);
});

test("a time is relative to now", () => {
  expect(formatAgo(0, 400)).toBe("now");
  expect(formatAgo(0, 200_000)).toBe("3m ago");
});
