import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { durationText, moneyText, parseMinorUnits } from "./format.ts";

const money = (currencyCode: string, minorUnits: bigint) =>
  moneyText({ $typeName: "common.v1.Money", currencyCode, minorUnits });

test.each([
  ["EUR", 1_999n, "19.99 EUR"],
  ["EUR", 5n, "0.05 EUR"],
  ["EUR", 0n, "0.00 EUR"],
  ["JPY", 1_500n, "1500 JPY"],
  ["KWD", 1_234n, "1.234 KWD"],
  ["EUR", 1_000_000_000_001n, "10000000000.01 EUR"],
])("%s %s is %s, and is read back", (currency, minorUnits, text) => {
  expect(money(currency, minorUnits)).toBe(text);
  expect(parseMinorUnits(text.split(" ")[0] ?? "", currency)).toBe(minorUnits);
});

test.each([
  ["19.999", "EUR"],
  ["1.5", "JPY"],
  ["-1", "EUR"],
  ["1,50", "EUR"],
  ["", "EUR"],
  [".5", "EUR"],
  ["1e3", "EUR"],
])('"%s" is no amount of %s', (text, currency) => {
  expect(parseMinorUnits(text, currency)).toBeUndefined();
});

test("an amount without its last digits has zeros there", () => {
  expect(parseMinorUnits("19", "EUR")).toBe(1_900n);
  expect(parseMinorUnits("19.5", "EUR")).toBe(1_950n);
});

test.each([
  [0, "0 ms"],
  [59_999, "59 s"],
  [60_000, "1 min"],
  [86_399_000, "23 h"],
  [400 * 86_400_000, "400 d"],
])("%i ms is %s", (ms, text) => {
  expect(durationText(durationFromMs(ms))).toBe(text);
});
