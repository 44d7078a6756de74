import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  append,
  type ChargeEntry,
  type DeclineEntry,
  findCharge,
  findRefund,
  type RefundEntry,
  readBook,
} from "./book.ts";

const amount = { currencyCode: "EUR", minorUnits: 2n ** 53n + 1n };
const charge = (key: string, reference = "ch_1"): ChargeEntry => ({
  kind: "charge",
  key,
  amount,
  reference,
  refundsFail: false,
  time: new Date(1),
});
const decline = (key: string): DeclineEntry => ({
  kind: "decline",
  key,
  amount,
  reason: "CARD_DECLINED",
  time: new Date(2),
});
const refund = (key: string, chargeKey: string): RefundEntry => ({
  kind: "refund",
  key,
  chargeKey,
  amount,
  reference: "re_1",
  time: new Date(3),
});

describe("the book", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "book-"));
  });
  afterEach(() => rm(dir, { recursive: true }));

  test("an entry is found again, exact to the minor unit", async () => {
    await append(dir, charge("a"));
    await append(dir, refund("a", "a"));
    expect(await findCharge(dir, "a")).toEqual(charge("a"));
    expect(await findRefund(dir, "a")).toEqual(refund("a", "a"));
    expect(await findCharge(dir, "b")).toBeUndefined();
    expect(await readBook(dir)).toEqual([charge("a"), refund("a", "a")]);
  });

  test("an entry is never changed", async () => {
    await append(dir, charge("a"));
    expect(await append(dir, charge("a", "ch_2"))).toEqual({ entry: charge("a"), written: false });
    expect(await readBook(dir)).toEqual([charge("a")]);
  });

  test("a key is charged or declined, not both", async () => {
    await append(dir, decline("a"));
    expect(await append(dir, charge("a"))).toEqual({ entry: decline("a"), written: false });
  });

  test("of many concurrent writers, one writes and all read the same entry", async () => {
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, n) => append(dir, charge("a", `ch_${n}`))),
    );
    expect(results.filter(({ written }) => written)).toHaveLength(1);
    expect(new Set(results.map(({ entry }) => (entry as ChargeEntry).reference)).size).toBe(1);
    expect(await readdir(dir)).toEqual(["charge-a.json"]);
  });

  test("processes share it: one of them writes each key, and no file is torn when one is killed", {
    timeout: 60_000,
  }, async () => {
    const keys = 400;
    const writers = [0, 1, 2].map((n) => startWriter(dir, `w${n}`, keys));
    const [first, ...others] = writers;
    await once(first?.process.stdout ?? process.stdin, "data");
    first?.process.kill("SIGKILL");
    await Promise.all(others.map(({ done }) => done));
    await first?.done;
    const entries = await readBook(dir);
    expect(entries).toHaveLength(keys);
    expect(new Set(entries.map(({ key }) => key)).size).toBe(keys);
    expect(entries.every((entry) => entry.kind === "charge" && /^w\d$/.test(entry.reference))).toBe(
      true,
    );
  });

  test.each(["../a", "a/b", "", ".", "a".repeat(129)])(
    "the key %j does not become a path",
    async (key) => {
      await expect(append(dir, charge(key))).rejects.toThrow(RangeError);
      await expect(findCharge(dir, key)).rejects.toThrow(RangeError);
    },
  );
});

/** Starts a process that writes k0, k1, ... and reports when it has begun. */
function startWriter(dir: string, reference: string, keys: number) {
  const script = `
    import { append } from ${JSON.stringify(new URL("book.ts", import.meta.url).href)};
    const amount = { currencyCode: "EUR", minorUnits: 1n };
    for (let n = 0; n < ${keys}; n++) {
      const entry = { kind: "charge", key: "k" + n, amount, reference: ${JSON.stringify(reference)}, refundsFail: false, time: new Date() };
      await append(${JSON.stringify(dir)}, entry);
      if (n === 20) console.log("begun");
    }`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { process: child, done: once(child, "exit") };
}
