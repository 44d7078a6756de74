import fc from "fast-check";
import { expect, test } from "vitest";
import { moneyJson, toMoneyJson } from "./money.ts";

test("money of any size survives JSON", () => {
  const anyMoney = fc.record({ currencyCode: fc.constant("EUR"), minorUnits: fc.bigInt() });
  fc.assert(
    fc.property(anyMoney, (money) => {
      expect(moneyJson.parse(JSON.parse(JSON.stringify(toMoneyJson(money))))).toEqual(money);
    }),
  );
});

test.each([{ currencyCode: "EUR", minorUnits: 1 }, { minorUnits: "1" }, "1 EUR", null])(
  "%j is not money",
  (value) => expect(moneyJson.safeParse(value).success).toBe(false),
);
