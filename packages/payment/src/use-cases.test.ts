import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { PaymentError } from "./errors.ts";
import type { Payment, RefundRequest } from "./payment.ts";
import type { PaymentDeps } from "./payment-deps.ts";
import { type PaymentProvider, ProviderUnavailableError } from "./provider.ts";
import { REFUNDS_WORK } from "./simulator.ts";
import {
  aChargeRequest,
  Crash,
  crashingAt,
  impatient,
  LIMIT,
  openSetting,
  type Setting,
} from "./use-cases.testing.ts";
import { processPayment, refundPayment } from "./use-cases.ts";

let setting: Setting;
let deps: PaymentDeps;
beforeAll(async () => {
  setting = await openSetting();
  deps = setting.deps;
});
afterAll(() => setting?.[Symbol.asyncDispose]());

const EUR = (minorUnits: bigint) => ({ currencyCode: "EUR", minorUnits });
const aRefundRequest = (
  minorUnits?: bigint,
  change: Partial<RefundRequest> = {},
): RefundRequest => ({
  id: crypto.randomUUID(),
  amount: minorUnits === undefined ? undefined : EUR(minorUnits),
  reason: "returned",
  fingerprint: `r${minorUnits}`,
  ...change,
});
const reason = (expected: string) => expect.objectContaining({ reason: expected });
const charged = async (minorUnits = 1_000n, token = "tok_visa"): Promise<Payment> =>
  (await processPayment(deps, aChargeRequest({ minorUnits, token }))).payment;

describe("processPayment", () => {
  test("charges, and reports that the request is new", async () => {
    const request = aChargeRequest();
    const { payment, replayed } = await processPayment(deps, request);
    expect(payment).toMatchObject({
      id: request.paymentId,
      status: "SUCCEEDED",
      charge: request.charge,
    });
    expect(payment.providerReference).toMatch(/^ch_/);
    expect(replayed).toBe(false);
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("a decline is a result, not an error", async () => {
    const request = aChargeRequest({ minorUnits: LIMIT });
    expect((await processPayment(deps, request)).payment).toMatchObject({
      status: "DECLINED",
      declineReason: "LIMIT_EXCEEDED",
    });
    expect((await processPayment(deps, request)).replayed).toBe(true);
    expect(await setting.moves(request.paymentId)).toEqual([`decline ${LIMIT}`]);
  });

  test("the same request again is the same payment", async () => {
    const request = aChargeRequest();
    const first = await processPayment(deps, request);
    expect(await processPayment(deps, request)).toEqual({
      payment: first.payment,
      replayed: true,
    });
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("50 concurrent calls: one charge", async () => {
    const request = aChargeRequest();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => processPayment(deps, request)),
    );
    expect(new Set(answers.map(({ payment }) => payment.providerReference)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("another request with the same id is refused, whatever the outcome of the first", async () => {
    const request = aChargeRequest();
    await processPayment(deps, request);
    const other = aChargeRequest({
      paymentId: request.paymentId,
      minorUnits: 5n,
      fingerprint: "other",
    });
    await expect(processPayment(deps, other)).rejects.toThrow(reason("REQUEST_ID_REUSED"));
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("a lost reply leaves it PENDING; the retry finds the charge", async () => {
    const request = aChargeRequest({ token: "tok_timeout_then_success" });
    await expect(processPayment(impatient(deps), request)).rejects.toThrow(
      reason("PROVIDER_UNAVAILABLE"),
    );
    expect((await deps.store.get(request.paymentId))?.status).toBe("PENDING");
    expect((await processPayment(deps, request)).payment.status).toBe("SUCCEEDED");
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("the provider is asked about a PENDING payment before it is charged again", async () => {
    const request = aChargeRequest({ token: "tok_timeout_then_success" });
    await expect(processPayment(impatient(deps), request)).rejects.toThrow(
      reason("PROVIDER_UNAVAILABLE"),
    );
    const noCharge = { ...deps, provider: crashingAt(deps.provider, "charge", "before") };
    expect((await processPayment(noCharge, request)).payment.status).toBe("SUCCEEDED");
  });

  test("a provider that never responds and ignores its signal is not waited for", async () => {
    const never = () => new Promise<never>(() => {});
    const deaf = {
      ...impatient(deps),
      provider: { charge: never, refund: never, find: never, ping: never },
    };
    await expect(processPayment(deaf, aChargeRequest())).rejects.toThrow(
      reason("PROVIDER_UNAVAILABLE"),
    );
  });

  test("the time limit of a call ends with it", async () => {
    const providerTimeoutMs = 1_000;
    let limited: AbortSignal | undefined;
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const charge: PaymentProvider["charge"] = (key, amount, token, signal) => {
      limited = signal;
      // A timer that is as long and begins later.
      setTimeout(resolve, providerTimeoutMs);
      return deps.provider.charge(key, amount, token, signal);
    };
    const provider = { ...deps.provider, charge };
    await processPayment({ ...deps, provider, providerTimeoutMs }, aChargeRequest());
    await asked;
    expect(limited?.aborted).toBe(false);
  });

  test("retries with the same key get past a flaky provider", async () => {
    const request = aChargeRequest({ token: "tok_flaky" });
    await expect(processPayment(deps, request)).rejects.toThrow(reason("PROVIDER_UNAVAILABLE"));
    await expect(processPayment(deps, request)).rejects.toThrow(reason("PROVIDER_UNAVAILABLE"));
    expect((await processPayment(deps, request)).payment.status).toBe("SUCCEEDED");
  });

  test("a charge of another amount is an error", async () => {
    const request = aChargeRequest();
    await deps.provider.charge(request.paymentId, EUR(7n), "tok_visa", AbortSignal.timeout(1_000));
    await expect(processPayment(deps, request)).rejects.toThrow("another amount");
    expect((await deps.store.get(request.paymentId))?.status).toBe("PENDING");
  });

  test("the payment token is in no log line", async () => {
    for (const token of ["tok_visa", "tok_declined", "tok_timeout", "tok_flaky"])
      await processPayment(impatient(deps), aChargeRequest({ token })).catch((error) =>
        expect(error).toBeInstanceOf(PaymentError),
      );
    expect(setting.lines.length).toBeGreaterThan(3);
    expect(setting.lines.join("")).not.toContain("tok_");
  });
});

describe("a process that dies while it charges", () => {
  const points = [
    ["store", "open"],
    ["provider", "charge"],
    ["store", "settle"],
  ] as const;
  const cases = points.flatMap(([part, method]) =>
    (["before", "after"] as const).map((when) => [part, method, when] as const),
  );

  test.each(cases)("%s.%s, %s: the retry charges once", async (part, method, when) => {
    const request = aChargeRequest();
    const dying = { ...deps, [part]: crashingAt(deps[part], method as never, when) };
    await expect(processPayment(dying, request)).rejects.toThrow(Crash);
    expect((await processPayment(deps, request)).payment.status).toBe("SUCCEEDED");
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  const charges = cases.filter(
    ([, method, when]) => method === "settle" || (method === "charge" && when === "after"),
  );
  test.each(charges)(
    "%s.%s, %s: a refund instead of the retry finds the charge and refunds it",
    async (part, method, when) => {
      const request = aChargeRequest();
      const dying = { ...deps, [part]: crashingAt(deps[part], method as never, when) };
      await expect(processPayment(dying, request)).rejects.toThrow(Crash);
      expect((await refundPayment(deps, request.paymentId, aRefundRequest())).payment.status).toBe(
        "REFUNDED",
      );
      expect(await setting.moves(request.paymentId)).toEqual(["charge 1000", "refund 1000"]);
    },
  );
});

describe("a late charge", () => {
  test("is refused after a refund", async () => {
    const request = aChargeRequest();
    const { payment } = await refundPayment(deps, request.paymentId, aRefundRequest());
    expect(payment).toMatchObject({ status: "VOIDED", charge: undefined });
    await expect(processPayment(deps, request)).rejects.toThrow(reason("PAYMENT_VOIDED"));
    expect(await setting.moves(request.paymentId)).toEqual([]);
  });

  /**
   * Stops between the intent and the charge for so long that the reconciler abandons the payment.
   */
  const stalled = async (request: ReturnType<typeof aChargeRequest>) => {
    await deps.store.open(request.paymentId, request.charge);
    await deps.store.settle(request.paymentId, { outcome: "declined", reason: "ABANDONED" });
    await deps.provider.charge(
      request.paymentId,
      request.charge.amount,
      request.token,
      AbortSignal.timeout(1_000),
    );
  };

  test("is refunded by the process that finds it when it settles", async () => {
    const request = aChargeRequest();
    const { provider, store } = deps;
    const abandoning: PaymentProvider = {
      charge: async (...args) => {
        await store.settle(request.paymentId, { outcome: "declined", reason: "ABANDONED" });
        return provider.charge(...args);
      },
      refund: (...args) => provider.refund(...args),
      find: (...args) => provider.find(...args),
      ping: (signal) => provider.ping(signal),
    };
    const { payment } = await processPayment({ ...deps, provider: abandoning }, request);
    expect(payment).toMatchObject({
      status: "DECLINED",
      declineReason: "ABANDONED",
      refunds: [{ status: "SUCCEEDED", amount: EUR(1_000n) }],
    });
    const trail = [
      "CHARGE_REQUESTED",
      "CHARGE_DECLINED",
      "CHARGE_SUCCEEDED",
      "REFUND_REQUESTED",
      "REFUND_SUCCEEDED",
    ];
    expect(payment.events.map(({ type }) => type)).toEqual(trail);
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("is refunded by the retry when that process died", async () => {
    const request = aChargeRequest();
    await stalled(request);
    const answers = await Promise.all([
      processPayment(deps, request),
      processPayment(deps, request),
    ]);
    expect(answers.map(({ payment }) => payment.status)).toEqual(["DECLINED", "DECLINED"]);
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("is refunded by a refund request when that process died", async () => {
    const request = aChargeRequest();
    await stalled(request);
    expect((await refundPayment(deps, request.paymentId, aRefundRequest())).payment.status).toBe(
      "DECLINED",
    );
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("is not reported as refunded while it is not", async () => {
    const request = aChargeRequest({ token: "tok_refund_fails" });
    await stalled(request);
    expect((await processPayment(deps, request)).payment).toMatchObject({
      status: "DECLINED",
      refunds: [{ status: "PENDING" }],
    });
    await expect(refundPayment(deps, request.paymentId, aRefundRequest())).rejects.toThrow(
      reason("PAYMENT_IN_PROGRESS"),
    );
  });
});

describe("refundPayment of a payment that the provider charged and this database does not know", () => {
  const chargedBeforeRestore = async (token = "tok_visa") => {
    const request = aChargeRequest({ token });
    const { paymentId, charge } = request;
    await deps.provider.charge(paymentId, charge.amount, token, AbortSignal.timeout(5_000));
    return request;
  };
  const unreachable = (): PaymentDeps => ({
    ...deps,
    provider: new Proxy(deps.provider, {
      get: () => () => Promise.reject(new ProviderUnavailableError("down")),
    }),
  });

  test("voids it and refunds the charge whole, once, under the refund's own key", async () => {
    const request = await chargedBeforeRestore();
    const { paymentId } = request;
    const refund = aRefundRequest();
    const { payment, replayed } = await refundPayment(deps, paymentId, refund);
    expect(replayed).toBe(false);
    expect(payment).toMatchObject({
      status: "VOIDED",
      charge: undefined,
      providerReference: expect.stringMatching(/^ch_/),
      refunds: [{ id: refund.id, amount: EUR(1_000n), status: "SUCCEEDED" }],
    });
    expect(payment.events.map(({ type }) => type)).toEqual([
      "VOIDED",
      "CHARGE_SUCCEEDED",
      "REFUND_REQUESTED",
      "REFUND_SUCCEEDED",
    ]);
    expect(await refundPayment(deps, paymentId, refund)).toEqual({ payment, replayed: true });
    expect(await refundPayment(deps, paymentId, aRefundRequest())).toEqual({
      payment,
      replayed: false,
    });
    await expect(
      refundPayment(deps, paymentId, { ...refund, fingerprint: "other" }),
    ).rejects.toThrow(reason("REQUEST_ID_REUSED"));
    await expect(processPayment(deps, request)).rejects.toThrow(reason("PAYMENT_VOIDED"));
    expect(await setting.moves(paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("does not repeat a refund from before the restore", async () => {
    const { paymentId, charge } = await chargedBeforeRestore();
    const refund = aRefundRequest();
    const key = `${paymentId}.${refund.id}`;
    await deps.provider.refund(key, paymentId, charge.amount, AbortSignal.timeout(5_000));
    expect((await refundPayment(deps, paymentId, refund)).payment.status).toBe("VOIDED");
    expect(await setting.moves(paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("moves nothing when the provider declined it", async () => {
    const { paymentId } = await chargedBeforeRestore("tok_declined");
    expect(await refundPayment(deps, paymentId, aRefundRequest())).toMatchObject({
      payment: { status: "VOIDED", refunds: [] },
    });
    expect(await setting.moves(paymentId)).toEqual(["decline 1000"]);
  });

  test("claims nothing while the provider cannot be asked, but leaves the tombstone", async () => {
    const request = await chargedBeforeRestore();
    const { paymentId } = request;
    const refund = aRefundRequest();
    await expect(refundPayment(unreachable(), paymentId, refund)).rejects.toThrow(
      reason("PROVIDER_UNAVAILABLE"),
    );
    expect(await deps.store.get(paymentId)).toMatchObject({ status: "VOIDED", refunds: [] });
    await expect(processPayment(deps, request)).rejects.toThrow(reason("PAYMENT_VOIDED"));
    expect(await setting.moves(paymentId)).toEqual(["charge 1000"]);
    await refundPayment(deps, paymentId, refund);
    expect(await setting.moves(paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("does not return before the provider has refunded it", async () => {
    const { paymentId } = await chargedBeforeRestore("tok_refund_fails");
    const refund = aRefundRequest();
    for (const request of [refund, refund, aRefundRequest()])
      await expect(refundPayment(deps, paymentId, request)).rejects.toThrow(
        reason("PROVIDER_REFUSED"),
      );
    expect(await deps.store.get(paymentId)).toMatchObject({
      status: "VOIDED",
      refunds: [{ id: refund.id, status: "PENDING" }],
    });
    expect(await setting.moves(paymentId)).toEqual(["charge 1000"]);
  });

  test("refunds once, however many refunds and repeated charges run concurrently", async () => {
    const request = await chargedBeforeRestore();
    const { paymentId } = request;
    const calls = Array.from({ length: 10 }, () => [
      processPayment(deps, request),
      refundPayment(deps, paymentId, aRefundRequest()),
    ]);
    for (const result of await Promise.allSettled(calls.flat()))
      if (result.status === "rejected") expectKnown(result.reason);
    const { payment } = await refundPayment(deps, paymentId, aRefundRequest());
    expect(["VOIDED", "REFUNDED"]).toContain(payment.status);
    expect(await setting.moves(paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("a charge in progress whose payment the restore lost is refunded by its own process", async () => {
    const request = aChargeRequest();
    const opened = await deps.store.open(crypto.randomUUID(), request.charge);
    const { payment } = await refundPayment(deps, request.paymentId, aRefundRequest());
    expect(payment).toMatchObject({ status: "VOIDED", refunds: [] });
    const lost = { ...opened.payment, id: request.paymentId };
    const store = { ...deps.store, open: async () => ({ payment: lost, changed: true }) };
    expect((await processPayment({ ...deps, store }, request)).payment).toMatchObject({
      status: "VOIDED",
      refunds: [{ status: "SUCCEEDED" }],
    });
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });
});

describe("refundPayment", () => {
  test("refunds all", async () => {
    const { id } = await charged();
    const { payment, replayed } = await refundPayment(deps, id, aRefundRequest());
    expect(payment).toMatchObject({
      status: "REFUNDED",
      refunds: [{ status: "SUCCEEDED", amount: EUR(1_000n), reason: "returned" }],
    });
    expect(replayed).toBe(false);
    expect(await setting.moves(id)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("refunds parts, then all that is left", async () => {
    const { id } = await charged();
    expect((await refundPayment(deps, id, aRefundRequest(300n))).payment.status).toBe(
      "PARTIALLY_REFUNDED",
    );
    expect((await refundPayment(deps, id, aRefundRequest())).payment.status).toBe("REFUNDED");
    expect((await setting.moves(id)).sort()).toEqual(["charge 1000", "refund 300", "refund 700"]);
  });

  test("a repeated refund, with or without an amount, is the same refund", async () => {
    const { id } = await charged();
    for (const request of [aRefundRequest(300n), aRefundRequest()]) {
      const first = await refundPayment(deps, id, request);
      expect(await refundPayment(deps, id, request)).toEqual({
        payment: first.payment,
        replayed: true,
      });
    }
    expect((await setting.moves(id)).sort()).toEqual(["charge 1000", "refund 300", "refund 700"]);
  });

  test("another request with the same id is refused", async () => {
    const { id } = await charged();
    const request = aRefundRequest(300n);
    await refundPayment(deps, id, request);
    await expect(
      refundPayment(deps, id, { ...request, amount: EUR(1n), fingerprint: "other" }),
    ).rejects.toThrow(reason("REQUEST_ID_REUSED"));
  });

  test("when nothing is left, a refund without amount changes nothing and one with an amount is refused", async () => {
    const { id } = await charged();
    const { payment } = await refundPayment(deps, id, aRefundRequest());
    expect(await refundPayment(deps, id, aRefundRequest())).toEqual({ payment, replayed: false });
    await expect(refundPayment(deps, id, aRefundRequest(1n))).rejects.toThrow(
      reason("REFUND_EXCEEDS_CAPTURE"),
    );
    expect(await setting.moves(id)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("50 concurrent refunds never exceed the capture", async () => {
    const { id } = await charged(1_050n);
    const answers = await Promise.allSettled(
      Array.from({ length: 50 }, () => refundPayment(deps, id, aRefundRequest(100n))),
    );
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
    const refused = answers.flatMap((answer) =>
      answer.status === "rejected" ? [answer.reason.reason] : [],
    );
    expect(new Set(refused)).toEqual(new Set(["REFUND_EXCEEDS_CAPTURE"]));
    expect((await setting.moves(id)).filter((move) => move === "refund 100")).toHaveLength(10);
  });

  test("20 concurrent requests with one refund id make one refund", async () => {
    const { id } = await charged();
    const request = aRefundRequest();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => refundPayment(deps, id, request)),
    );
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await setting.moves(id)).toEqual(["charge 1000", "refund 1000"]);
  });

  test.each(["tok_declined", "tok_insufficient_funds"])(
    "of a declined payment (%s) returns it unchanged",
    async (token) => {
      const { id } = await charged(1_000n, token);
      expect((await refundPayment(deps, id, aRefundRequest())).payment.status).toBe("DECLINED");
      expect(await setting.moves(id)).toEqual(["decline 1000"]);
    },
  );

  test("of a payment that is being charged is refused until the outcome is known", async () => {
    const request = aChargeRequest({ token: "tok_timeout" });
    await expect(processPayment(impatient(deps), request)).rejects.toThrow(
      reason("PROVIDER_UNAVAILABLE"),
    );
    await expect(refundPayment(deps, request.paymentId, aRefundRequest())).rejects.toThrow(
      reason("PAYMENT_IN_PROGRESS"),
    );
    // Once no caller can be charging it any more, the refund abandons it, so that no late charge
    // follows the reply.
    await vi.waitFor(
      async () => {
        expect(
          (await refundPayment(deps, request.paymentId, aRefundRequest())).payment,
        ).toMatchObject({
          status: "DECLINED",
          declineReason: "ABANDONED",
        });
      },
      { timeout: 10_000 },
    );
    expect((await processPayment(deps, { ...request, token: "tok_visa" })).payment.status).toBe(
      "DECLINED",
    );
    expect(await setting.moves(request.paymentId)).toEqual([]);
  });

  test("that the provider refuses keeps its amount reserved and continues on retry", async () => {
    const { id } = await charged(1_000n, "tok_refund_fails");
    const request = aRefundRequest();
    await expect(refundPayment(deps, id, request)).rejects.toThrow(reason("PROVIDER_REFUSED"));
    expect((await deps.store.get(id))?.refunds).toMatchObject([{ status: "PENDING" }]);
    await expect(refundPayment(deps, id, aRefundRequest())).rejects.toThrow(
      reason("PAYMENT_IN_PROGRESS"),
    );
    await writeFile(join(setting.bookDir, REFUNDS_WORK), "");
    expect(await refundPayment(deps, id, request)).toMatchObject({
      payment: { status: "REFUNDED" },
      replayed: true,
    });
    expect(await setting.moves(id)).toEqual(["charge 1000", "refund 1000"]);
  });

  const points = [
    ["store", "reserveRefund"],
    ["provider", "refund"],
    ["store", "settleRefund"],
  ] as const;
  const cases = points.flatMap(([part, method]) =>
    (["before", "after"] as const).map((when) => [part, method, when] as const),
  );

  test.each(cases)(
    "a process that dies at %s.%s, %s: the retry refunds once",
    async (part, method, when) => {
      const { id } = await charged();
      const request = aRefundRequest();
      const dying = { ...deps, [part]: crashingAt(deps[part], method as never, when) };
      await expect(refundPayment(dying, id, request)).rejects.toThrow(Crash);
      expect((await refundPayment(deps, id, request)).payment.status).toBe("REFUNDED");
      expect(await setting.moves(id)).toEqual(["charge 1000", "refund 1000"]);
    },
  );

  test("any sequence of refunds, crashes and retries: the book never refunds more than it charged, and agrees with the store", async () => {
    const step = fc.record({
      amount: fc.option(fc.bigInt(1n, 600n)),
      id: fc.integer({ min: 0, max: 4 }),
      crash: fc.constantFrom(undefined, ...cases),
    });
    const sequences = fc.array(step, { minLength: 1, maxLength: 8 });
    await fc.assert(fc.asyncProperty(sequences, runRefunds), { numRuns: 25 });
  });

  async function runRefunds(
    steps: { amount: bigint | null; id: number; crash: (typeof cases)[number] | undefined }[],
  ): Promise<void> {
    const { id } = await charged();
    for (const { amount, id: refund, crash } of steps) {
      const request = aRefundRequest(amount ?? undefined, {
        id: `00000000-0000-4000-8000-00000000000${refund}`,
      });
      const dying =
        crash === undefined
          ? deps
          : {
              ...deps,
              [crash[0]]: crashingAt(deps[crash[0]], crash[1] as never, crash[2]),
            };
      await refundPayment(dying, id, request).catch(expectKnown);
    }
    const stored = (await deps.store.get(id)) as Payment;
    const back = (await setting.moves(id))
      .filter((move) => move.startsWith("refund"))
      .map((move) => BigInt(move.split(" ")[1] ?? 0));
    const total = (amounts: bigint[]) => amounts.reduce((sum, amount) => sum + amount, 0n);
    expect(total(back)).toBeLessThanOrEqual(1_000n);
    const settled = stored.refunds.filter(({ status }) => status === "SUCCEEDED");
    expect(total(back)).toBeGreaterThanOrEqual(
      total(settled.map(({ amount }) => amount.minorUnits)),
    );
    expect(back.length).toBeLessThanOrEqual(stored.refunds.length);
  }
});

function expectKnown(error: unknown): void {
  if (!(error instanceof Crash)) expect(error).toHaveProperty("reason");
}
