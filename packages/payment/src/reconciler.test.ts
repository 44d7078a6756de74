import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { PaymentDeps } from "./payment-deps.ts";
import { reconcileBatch, runReconciler, watchBatch } from "./reconciler.ts";
import { REFUNDS_WORK } from "./simulator.ts";
import {
  aChargeRequest,
  Crash,
  crashingAt,
  impatient,
  openSetting,
  type Setting,
} from "./use-cases.testing.ts";
import { processPayment, refundPayment } from "./use-cases.ts";

const AFTER_MS = 200;
/** For tests that then assert that a payment was attempted less than this time ago. */
const LONG_AFTER_MS = 1_500;
const OPTIONS = { afterMs: AFTER_MS, abandonAfterMs: AFTER_MS };
let setting: Setting;
let deps: PaymentDeps;
beforeAll(async () => {
  setting = await openSetting();
  deps = setting.deps;
});
afterAll(() => setting?.[Symbol.asyncDispose]());

const aRefundRequest = () => ({
  id: crypto.randomUUID(),
  amount: undefined,
  reason: "",
  fingerprint: "r",
});
const get = async (id: string) => deps.store.get(id);
/** Waits until payments are old enough, by the database's clock, then reconciles them. */
const reconcile = async (afterMs = AFTER_MS) => {
  await delay(afterMs + 20);
  return reconcileBatch(deps, { afterMs, abandonAfterMs: afterMs });
};

describe("a payment left PENDING", () => {
  test("is settled when the provider charged it", async () => {
    const request = aChargeRequest();
    const dying = { ...deps, store: crashingAt(deps.store, "settle", "before") };
    await expect(processPayment(dying, request)).rejects.toThrow(Crash);
    await reconcile();
    expect(await get(request.paymentId)).toMatchObject({ status: "SUCCEEDED" });
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("is declined when the provider declined it", async () => {
    const request = aChargeRequest({ token: "tok_insufficient_funds" });
    const dying = { ...deps, store: crashingAt(deps.store, "settle", "before") };
    await expect(processPayment(dying, request)).rejects.toThrow(Crash);
    await reconcile();
    expect(await get(request.paymentId)).toMatchObject({
      status: "DECLINED",
      declineReason: "INSUFFICIENT_FUNDS",
    });
  });

  test("is abandoned, and never charged, when the provider does not know it", async () => {
    const request = aChargeRequest();
    const dying = { ...deps, provider: crashingAt(deps.provider, "charge", "before") };
    await expect(processPayment(dying, request)).rejects.toThrow(Crash);
    await reconcile();
    expect(await get(request.paymentId)).toMatchObject({
      status: "DECLINED",
      declineReason: "ABANDONED",
    });
    expect((await processPayment(deps, request)).payment.status).toBe("DECLINED");
    expect((await refundPayment(deps, request.paymentId, aRefundRequest())).payment.status).toBe(
      "DECLINED",
    );
    expect(await setting.moves(request.paymentId)).toEqual([]);
  });

  test("is kept, and attempted again, while a caller may still retry the charge", async () => {
    const request = aChargeRequest();
    const dying = { ...deps, provider: crashingAt(deps.provider, "charge", "before") };
    await expect(processPayment(dying, request)).rejects.toThrow(Crash);
    await delay(LONG_AFTER_MS + 20);
    await reconcileBatch(deps, { afterMs: LONG_AFTER_MS, abandonAfterMs: 60_000 });
    expect(await get(request.paymentId)).toMatchObject({ status: "PENDING" });
    expect((await deps.store.pendingSince(LONG_AFTER_MS, 10)).map(({ id }) => id)).not.toContain(
      request.paymentId,
    );
    expect((await processPayment(deps, request)).payment.status).toBe("SUCCEEDED");
  });

  test("is not touched while a caller is charging it", async () => {
    const request = aChargeRequest({ token: "tok_timeout" });
    const charging = processPayment(impatient(deps), request).catch(() => {});
    await vi.waitFor(async () => expect(await get(request.paymentId)).toBeDefined());
    await reconcileBatch(deps, {
      afterMs: 60_000,
      abandonAfterMs: 60_000,
    });
    expect(await get(request.paymentId)).toMatchObject({ status: "PENDING" });
    await charging;
  });

  test("is settled once by many concurrent replicas", async () => {
    const request = aChargeRequest();
    const dying = { ...deps, store: crashingAt(deps.store, "settle", "before") };
    await expect(processPayment(dying, request)).rejects.toThrow(Crash);
    await delay(AFTER_MS + 20);
    await Promise.all(Array.from({ length: 10 }, () => reconcileBatch(deps, OPTIONS)));
    expect((await get(request.paymentId))?.events.map(({ type }) => type)).toEqual([
      "CHARGE_REQUESTED",
      "CHARGE_SUCCEEDED",
    ]);
  });

  test("that cannot be settled does not hold up the others", async () => {
    const [stuck, fine] = [aChargeRequest(), aChargeRequest()];
    await deps.store.open(stuck.paymentId, stuck.charge);
    await deps.provider.charge(
      stuck.paymentId,
      { currencyCode: "EUR", minorUnits: 7n },
      "tok_visa",
      AbortSignal.timeout(1_000),
    );
    await deps.store.open(fine.paymentId, fine.charge);
    await reconcile(LONG_AFTER_MS);
    expect(await get(stuck.paymentId)).toMatchObject({ status: "PENDING" });
    expect(await get(fine.paymentId)).toMatchObject({ status: "DECLINED" });
    expect(
      setting.lines.some(
        (line) => line.includes("could not be reconciled") && line.includes(stuck.paymentId),
      ),
    ).toBe(true);
    // The stuck payment was attempted just now, so others come first.
    expect((await deps.store.pendingSince(LONG_AFTER_MS, 10)).map(({ id }) => id)).not.toContain(
      stuck.paymentId,
    );
  });
});

describe("an abandoned payment", () => {
  const WATCH = { watchEveryMs: AFTER_MS, watchForMs: 60_000 };
  const watched = async () => (await deps.store.watchedSince(0, 100)).map(({ id }) => id);
  const watch = async (options = WATCH) => {
    await delay(AFTER_MS + 20);
    await watchBatch(deps, options);
  };

  test("that was charged late, by a process that died before it recorded the charge, is refunded without a request", async () => {
    const request = aChargeRequest();
    await deps.store.open(request.paymentId, request.charge);
    await reconcile();
    expect(await get(request.paymentId)).toMatchObject({
      status: "DECLINED",
      declineReason: "ABANDONED",
    });
    await watch();
    expect(await setting.moves(request.paymentId)).toEqual([]);
    await deps.provider.charge(
      request.paymentId,
      request.charge.amount,
      request.token,
      AbortSignal.timeout(1_000),
    );
    await watch();
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000", "refund 1000"]);
    expect(await get(request.paymentId)).toMatchObject({
      status: "DECLINED",
      refunds: [{ status: "SUCCEEDED" }],
    });
    expect(await watched()).not.toContain(request.paymentId);
  });

  test("is asked about for a limited time", async () => {
    const request = aChargeRequest();
    await deps.store.open(request.paymentId, request.charge);
    await reconcile();
    await watch();
    expect(await watched()).toContain(request.paymentId);
    await watch({ ...WATCH, watchForMs: AFTER_MS });
    expect(await watched()).not.toContain(request.paymentId);
  });
});

describe("a refund left PENDING", () => {
  test.each(["before", "after"] as const)(
    "is finished with its own key: died %s the provider refunded",
    async (when) => {
      const { payment } = await processPayment(deps, aChargeRequest());
      const dying = { ...deps, provider: crashingAt(deps.provider, "refund", when) };
      await expect(refundPayment(dying, payment.id, aRefundRequest())).rejects.toThrow(Crash);
      await reconcile();
      expect(await get(payment.id)).toMatchObject({
        status: "REFUNDED",
        refunds: [{ status: "SUCCEEDED" }],
      });
      expect(await setting.moves(payment.id)).toEqual(["charge 1000", "refund 1000"]);
    },
  );

  test("is retried until the provider accepts it; so is the refund of a late charge", async () => {
    const late = aChargeRequest({ token: "tok_refund_fails" });
    await deps.store.open(late.paymentId, late.charge);
    await deps.store.settle(late.paymentId, { outcome: "declined", reason: "ABANDONED" });
    await deps.provider.charge(
      late.paymentId,
      late.charge.amount,
      late.token,
      AbortSignal.timeout(1_000),
    );
    await processPayment(deps, late);
    await reconcile();
    expect(await get(late.paymentId)).toMatchObject({ refunds: [{ status: "PENDING" }] });
    await writeFile(join(setting.bookDir, REFUNDS_WORK), "");
    await reconcile();
    expect(await get(late.paymentId)).toMatchObject({
      status: "DECLINED",
      refunds: [{ status: "SUCCEEDED" }],
    });
    expect(await setting.moves(late.paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });
});

test("the late charge of a tombstone is refunded once the provider refunds", async () => {
  await rm(join(setting.bookDir, REFUNDS_WORK), { force: true });
  const { paymentId, charge, token } = aChargeRequest({ token: "tok_refund_fails" });
  await deps.provider.charge(paymentId, charge.amount, token, AbortSignal.timeout(5_000));
  await expect(refundPayment(deps, paymentId, aRefundRequest())).rejects.toThrow();
  await reconcile();
  expect(await get(paymentId)).toMatchObject({
    status: "VOIDED",
    refunds: [{ status: "PENDING" }],
  });
  await writeFile(join(setting.bookDir, REFUNDS_WORK), "");
  await reconcile();
  expect(await get(paymentId)).toMatchObject({
    status: "VOIDED",
    refunds: [{ status: "SUCCEEDED" }],
  });
  expect(await setting.moves(paymentId)).toEqual(["charge 1000", "refund 1000"]);
});

describe("the loop", () => {
  const options = { intervalMs: 10, ...OPTIONS, watchEveryMs: 60_000, watchForMs: 60_000 };

  test("works through more than one batch, and ends when its signal aborts", async () => {
    const requests = Array.from({ length: 45 }, () => aChargeRequest());
    await Promise.all(requests.map(({ paymentId, charge }) => deps.store.open(paymentId, charge)));
    const stopping = new AbortController();
    const running = runReconciler(deps, options, stopping.signal);
    await vi.waitFor(
      async () => {
        const found = await Promise.all(requests.map(({ paymentId }) => get(paymentId)));
        expect(found.every((payment) => payment?.status === "DECLINED")).toBe(true);
      },
      { timeout: 10_000 },
    );
    stopping.abort();
    await expect(running).resolves.toBeUndefined();
  });

  test("continues after the database fails", async () => {
    const request = aChargeRequest();
    await deps.store.open(request.paymentId, request.charge);
    const failing = { ...deps, store: crashingAt(deps.store, "pendingSince", "before") };
    const stopping = new AbortController();
    const running = runReconciler(failing, options, stopping.signal);
    await vi.waitFor(
      async () => expect(await get(request.paymentId)).toMatchObject({ status: "DECLINED" }),
      { timeout: 10_000 },
    );
    stopping.abort();
    await running;
    expect(setting.lines.some((line) => line.includes("could not look for pending payments"))).toBe(
      true,
    );
  });
});
