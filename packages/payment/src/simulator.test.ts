import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readBook } from "./book.ts";
import {
  ProviderOutcomeUnknownError,
  ProviderRefusedError,
  ProviderUnavailableError,
} from "./provider.ts";
import { REFUNDS_WORK, Simulator } from "./simulator.ts";

const EUR = (minorUnits: bigint) => ({ currencyCode: "EUR", minorUnits });
const inTime = () => AbortSignal.timeout(5_000);
const soon = () => AbortSignal.timeout(30);

describe("the simulated provider", () => {
  let bookDir: string;
  let provider: Simulator;
  const kinds = async () => (await readBook(bookDir)).map(({ kind }) => kind);
  beforeEach(async () => {
    bookDir = join(await mkdtemp(join(tmpdir(), "simulator-")), "book");
    provider = await Simulator.open({ bookDir, limitMinorUnits: 100_000n });
  });
  afterEach(() => rm(join(bookDir, ".."), { recursive: true }));

  test("approves below the limit, declines at it", async () => {
    expect(await provider.charge("a", EUR(99_999n), "tok_visa", inTime())).toMatchObject({
      outcome: "approved",
      amount: EUR(99_999n),
    });
    expect(await provider.charge("c", EUR(1n), "tok_visa_17", inTime())).toMatchObject({
      outcome: "approved",
    });
    expect(await provider.charge("b", EUR(100_000n), "tok_visa", inTime())).toMatchObject({
      outcome: "declined",
      reason: "LIMIT_EXCEEDED",
    });
  });

  test.each(["tok_timeout", "tok_flaky", "tok_timeout_then_success"])(
    "%s does not fail once its key has a charge",
    async (token) => {
      const first = await provider.charge("a", EUR(1n), "tok_visa", inTime());
      expect(await provider.charge("a", EUR(1n), token, inTime())).toEqual(first);
    },
  );

  test.each([
    ["tok_declined", "CARD_DECLINED"],
    ["tok_insufficient_funds", "INSUFFICIENT_FUNDS"],
    ["tok_declined_17", "CARD_DECLINED"],
    ["tok_nobody_knows", "CARD_DECLINED"],
  ])("%s is declined: %s", async (token, reason) => {
    expect(await provider.charge("a", EUR(1n), token, inTime())).toMatchObject({
      outcome: "declined",
      reason,
    });
    expect(await kinds()).toEqual(["decline"]);
  });

  test("one key is one charge, however often and by whichever process it is requested", async () => {
    const other = await Simulator.open({ bookDir, limitMinorUnits: 100_000n });
    const calls = Array.from({ length: 20 }, (_, n) =>
      (n % 2 === 0 ? provider : other).charge("a", EUR(5n), "tok_visa", inTime()),
    );
    const answers = await Promise.all(calls);
    expect(
      new Set(
        answers.map((answer) =>
          JSON.stringify(answer, (_, v) => (typeof v === "bigint" ? String(v) : v)),
        ),
      ).size,
    ).toBe(1);
    expect(await kinds()).toEqual(["charge"]);
    expect(await provider.find("a")).toEqual(answers[0]);
  });

  test("a declined key stays declined", async () => {
    await provider.charge("a", EUR(1n), "tok_declined", inTime());
    expect(await provider.charge("a", EUR(1n), "tok_visa", inTime())).toMatchObject({
      outcome: "declined",
      reason: "CARD_DECLINED",
    });
  });

  test("a key with another amount is refused", async () => {
    await provider.charge("a", EUR(1n), "tok_visa", inTime());
    await expect(provider.charge("a", EUR(2n), "tok_visa", inTime())).rejects.toThrow(
      "another amount",
    );
  });

  test("tok_timeout_then_success: charged, the first reply lost, the second not", async () => {
    await expect(provider.charge("a", EUR(1n), "tok_timeout_then_success", soon())).rejects.toThrow(
      ProviderOutcomeUnknownError,
    );
    expect(await kinds()).toEqual(["charge"]);
    expect(await provider.charge("a", EUR(1n), "tok_timeout_then_success", inTime())).toMatchObject(
      { outcome: "approved" },
    );
    expect(await kinds()).toEqual(["charge"]);
  });

  test("tok_timeout: no reply, no charge", async () => {
    await expect(provider.charge("a", EUR(1n), "tok_timeout", soon())).rejects.toThrow(
      ProviderOutcomeUnknownError,
    );
    expect(await provider.find("a")).toBeUndefined();
  });

  test("tok_flaky: two failures, then a charge", async () => {
    const charge = () => provider.charge("a", EUR(1n), "tok_flaky", inTime());
    await expect(charge()).rejects.toThrow(ProviderUnavailableError);
    await expect(charge()).rejects.toThrow(ProviderUnavailableError);
    expect(await kinds()).toEqual([]);
    expect(await charge()).toMatchObject({ outcome: "approved" });
  });

  test("tok_slow: nothing is charged for a caller who does not wait", async () => {
    await expect(provider.charge("a", EUR(1n), "tok_slow", soon())).rejects.toThrow(
      ProviderOutcomeUnknownError,
    );
    expect(await kinds()).toEqual([]);
    const begin = performance.now();
    expect(await provider.charge("a", EUR(1n), "tok_slow", inTime())).toMatchObject({
      outcome: "approved",
    });
    expect(performance.now() - begin).toBeGreaterThan(1_900);
  });

  test("one refund key is one refund", async () => {
    await provider.charge("a", EUR(10n), "tok_visa", inTime());
    const references = await Promise.all([1, 2, 3].map(() => provider.refund("r", "a", EUR(4n))));
    expect(new Set(references.map(({ reference }) => reference)).size).toBe(1);
    expect(await kinds()).toEqual(["charge", "refund"]);
    await expect(provider.refund("r", "a", EUR(5n))).rejects.toThrow("another amount");
  });

  test("a refund without a charge is refused", async () => {
    await provider.charge("declined", EUR(10n), "tok_declined", inTime());
    await expect(provider.refund("r", "declined", EUR(10n))).rejects.toThrow("no such charge");
    await expect(provider.refund("r", "unknown", EUR(10n))).rejects.toThrow("no such charge");
  });

  test("tok_refund_fails: refunds fail until the file REFUNDS_WORK exists", async () => {
    await provider.charge("a", EUR(10n), "tok_refund_fails", inTime());
    await expect(provider.refund("r", "a", EUR(10n))).rejects.toThrow(ProviderRefusedError);
    await writeFile(join(bookDir, REFUNDS_WORK), "");
    await provider.refund("r", "a", EUR(10n));
    expect(await kinds()).toEqual(["charge", "refund"]);
  });

  test("ping: fails while the book's folder is gone, or is a file, and leaves nothing behind", async () => {
    await provider.ping();
    expect(await readdir(bookDir)).toEqual([]);
    await rm(bookDir, { recursive: true });
    await expect(provider.ping()).rejects.toThrow("ENOENT");
    await writeFile(bookDir, "");
    await expect(provider.ping()).rejects.toThrow("ENOTDIR");
    await rm(bookDir);
    await mkdir(bookDir);
    await Promise.all([provider.ping(), provider.ping()]);
  });

  test("a book that is gone is unavailable; it does not say that nothing was charged", async () => {
    await rm(bookDir, { recursive: true });
    await expect(provider.find("a")).rejects.toThrow(ProviderUnavailableError);
    const charge = provider.charge("a", EUR(1n), "tok_visa", inTime());
    await expect(charge).rejects.toThrow(ProviderUnavailableError);
  });
});
