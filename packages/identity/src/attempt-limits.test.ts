import { expect, test } from "vitest";
import { attemptLimits } from "./attempt-limits.ts";

const HOUR_MS = 3_600_000;
const policy = { perKey: 3, inAll: 5, windowMs: HOUR_MS };
const ADDRESS = "203.0.113.7";

async function counted(limits: ReturnType<typeof attemptLimits>, address: string, count: number) {
  const attempts = await Promise.all(Array.from({ length: count }, () => limits.count(address)));
  return attempts.map(({ limit }) => limit ?? "admitted");
}

test("attempts of one address are limited, and do not use up those of another", async () => {
  const limits = attemptLimits(policy);
  const outcomes = await counted(limits, ADDRESS, 100);
  expect(outcomes.filter((one) => one === "admitted")).toHaveLength(3);
  expect(new Set(outcomes.slice(3))).toEqual(new Set(["key"]));
  const { waitMs } = await limits.count(ADDRESS);
  expect(waitMs).toBeGreaterThan(0.9 * HOUR_MS);
  expect(waitMs).toBeLessThanOrEqual(HOUR_MS);
  expect(await counted(limits, "203.0.113.8", 2)).toEqual(["admitted", "admitted"]);
});

test("attempts of all addresses together are limited", async () => {
  const limits = attemptLimits(policy);
  const outcomes = [];
  for (let n = 0; n < 8; n++) outcomes.push(...(await counted(limits, `203.0.113.${n}`, 1)));
  expect(outcomes).toEqual([...Array(5).fill("admitted"), "all", "all", "all"]);
});

test("an attempt that is taken back does not count, a refused one neither", async () => {
  const limits = attemptLimits(policy);
  for (let n = 0; n < 20; n++) await (await limits.count(ADDRESS)).takeBack();
  expect(await counted(limits, ADDRESS, 4)).toEqual([...Array(3).fill("admitted"), "key"]);
  expect(await counted(limits, "203.0.113.8", 2)).toEqual(["admitted", "admitted"]);
});

test("an address is forgotten with its last attempt", async () => {
  const limits = attemptLimits({ ...policy, inAll: 1 });
  const { takeBack } = await limits.count(ADDRESS);
  // Refused for all: the address has nothing left to count.
  for (let n = 0; n < 3; n++) expect((await limits.count("203.0.113.8")).limit).toBe("all");
  await takeBack();
  expect(await counted(limits, "203.0.113.8", 1)).toEqual(["admitted"]);
});

test("a new window begins afresh", async () => {
  const limits = attemptLimits({ ...policy, windowMs: 1_000 });
  await counted(limits, ADDRESS, 4);
  await expect.poll(async () => (await limits.count(ADDRESS)).limit).toBeUndefined();
});
