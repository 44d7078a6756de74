import { expect, test } from "vitest";
import { ProductCache } from "./product-cache.ts";

const price = { currencyCode: "EUR", minorUnits: 500n };
const product = (sku: string) => ({
  ...{ sku, name: sku, description: "", price, stock: 1n, updateTime: new Date(0) },
});

/** Of a store with these products. */
const cacheOf = (...skus: string[]) => {
  const stored = new Set(skus);
  const findProducts = async (asked: readonly string[]) =>
    asked.filter((sku) => stored.has(sku)).map(product);
  return { cache: new ProductCache({ findProducts }), stored };
};

test("recalls what was read, if it is all that is asked for", async () => {
  const { cache } = cacheOf("TEA", "POT");
  expect(cache.recall(["TEA"])).toBeUndefined();
  await cache.read(["TEA"]);
  expect(cache.recall(["TEA"])).toEqual([{ sku: "TEA", name: "TEA", price }]);
  expect(cache.recall(["TEA", "POT"])).toBeUndefined();
});

test("forgets what is gone when it is read", async () => {
  const { cache, stored } = cacheOf("TEA");
  await cache.read(["TEA"]);
  stored.clear();
  expect(await cache.read(["TEA"])).toEqual([]);
  expect(cache.recall(["TEA"])).toBeUndefined();
});

test("keeps ten thousand, those that were read last", async () => {
  const skus = Array.from({ length: 10_001 }, (_, n) => `P-${n}`);
  const { cache } = cacheOf(...skus);
  await cache.read(["P-0"]);
  await cache.read(skus.slice(1, 10_000));
  await cache.read(["P-0"]);
  await cache.read(["P-10000"]);
  expect(cache.recall(["P-0", "P-10000", "P-2"])).toHaveLength(3);
  expect(cache.recall(["P-1"])).toBeUndefined();
});
