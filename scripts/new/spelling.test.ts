import { expect, test } from "vitest";
import { renamed, spellingOf } from "./spelling.ts";

test("a name is replaced in every spelling", () => {
  const text = `acmeSaga("acme", AcmeInput, ACME_STATUSES); // acme-saga.ts, table acme_rows`;
  expect(renamed(text, "acme", spellingOf("return-goods"))).toBe(
    `returnGoodsSaga("return-goods", ReturnGoodsInput, RETURN_GOODS_STATUSES); // return-goods-saga.ts, table return_goods_rows`,
  );
  expect(renamed(text, "acme", spellingOf("shipping"))).toBe(
    `shippingSaga("shipping", ShippingInput, SHIPPING_STATUSES); // shipping-saga.ts, table shipping_rows`,
  );
});
