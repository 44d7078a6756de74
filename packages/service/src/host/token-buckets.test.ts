import { expect, test } from "vitest";
import { TokenBuckets } from "./token-buckets.ts";

test("a key may use its burst at once, then its rate; other keys are not affected", () => {
  let now = 0;
  const buckets = new TokenBuckets({ perSecond: 10, burst: 20 }, () => now);
  for (let call = 0; call < 20; call++) expect(buckets.take("a", 1)).toBe(0);
  expect(buckets.take("a", 1)).toBe(100);
  expect(buckets.take("b", 1)).toBe(0);
  now = 500;
  expect(buckets.take("a", 5)).toBe(0);
  expect(buckets.take("a", 5)).toBe(500);
});

test("a charge may leave a debt of one burst at most", () => {
  let now = 0;
  const buckets = new TokenBuckets({ perSecond: 10, burst: 20 }, () => now);
  for (let miss = 0; miss < 100; miss++) buckets.charge("a", 5);
  expect(buckets.take("a", 1)).toBe(2_100);
  now = 2_100;
  expect(buckets.take("a", 1)).toBe(0);
});

test("a rate of 0 is no limit", () => {
  const buckets = new TokenBuckets({ perSecond: 0, burst: 0 });
  buckets.charge("a", 1_000);
  expect(buckets.take("a", 1_000)).toBe(0);
});

test("a million keys do not grow it without bound", () => {
  const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, () => 0);
  for (let key = 0; key < 30_000; key++) buckets.take(`key ${key}`, 1);
  // The last key is remembered, the first one is forgotten.
  expect(buckets.take("key 29999", 1)).toBeGreaterThan(0);
  expect(buckets.take("key 0", 1)).toBe(0);
});
