import { v5 as uuidv5 } from "uuid";
import { expect, test } from "vitest";
import { BEYOND_THE_LIMIT, readSeed, SCARCE, SOLD_OUT } from "./catalog.ts";

/** Any constant. */
const NAMESPACE = "8d1f8f0e-31f5-4c33-9b0a-0c5b6d0f7a11";

test("a product of infra/catalog.jsonl that is changed gets another request id", () => {
  for (const { requestId, product } of readSeed()) {
    const { sku = "", name, description, stock, price } = product ?? {};
    const content = [sku, name, description, price?.minorUnits, stock];
    expect(requestId, sku).toBe(uuidv5(content.join("\n"), NAMESPACE));
  }
});

test("the seed has the products that the demo needs", () => {
  const stockOf = (sku: string) =>
    readSeed().find(({ product }) => product?.sku === sku)?.product?.stock;
  expect([BEYOND_THE_LIMIT, SCARCE, SOLD_OUT].map(stockOf)).toEqual([10n, 3n, 0n]);
});
