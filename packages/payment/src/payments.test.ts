import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { PaymentError } from "./errors.ts";
import type { Payment, RefundWish } from "./payment.ts";
import {
  aChargeRequest,
  Crash,
  crashingAt,
  LIMIT,
  openSetting,
  type Setting,
} from "./payments.testing.ts";
import { type Payments, processPayment, refundPayment } from "./payments.ts";
import type { PaymentProvider } from "./provider.ts";
import { REFUNDS_WORK } from "./simulator.ts";

let setting: Setting;
let payments: Payments;
beforeAll(async () => {
  setting = await openSetting();
  payments = setting.payments;
});
afterAll(() => setting?.[Symbol.asyncDispose]());

const EUR = (minorUnits: bigint) => ({ currencyCode: "EUR", minorUnits });
const aWish = (minorUnits?: bigint, change: Partial<RefundWish> = {}): RefundWish => ({
  id: crypto.randomUUID(),
  amount: minorUnits === undefined ? undefined : EUR(minorUnits),
  reason: "returned",
  fingerprint: `r${minorUnits}`,
  ...change,
});
const reason = (expected: string) => expect.objectContaining({ reason: expected });
const charged = async (minorUnits = 1_000n, token = "tok_visa"): Promise<Payment> =>
  (await processPayment(payments, aChargeRequest({ minorUnits, token }))).payment;

describe("processPayment", () => {
  test("charges, and says it has not seen the request before", async () => {
    const request = aChargeRequest();
    const { payment, replayed } = await processPayment(payments, request);
    expect(payment).toMatchObject({
      id: request.paymentId,
      status: "SUCCEEDED",
      charge: request.charge,
    });
    expect(payment.providerReference).toMatch(/^ch_/);
    expect(replayed).toBe(false);
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("a decline is an answer", async () => {
    const request = aChargeRequest({ minorUnits: LIMIT });
    expect((await processPayment(payments, request)).payment).toMatchObject({
      status: "DECLINED",
      declineReason: "LIMIT_EXCEEDED",
    });
    expect((await processPayment(payments, request)).replayed).toBe(true);
    expect(await setting.moves(request.paymentId)).toEqual([`decline ${LIMIT}`]);
  });

  test("the same request again is the same payment", async () => {
    const request = aChargeRequest();
    const first = await processPayment(payments, request);
    expect(await processPayment(payments, request)).toEqual({
      payment: first.payment,
      replayed: true,
    });
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("50 times at once: one charge", async () => {
    const request = aChargeRequest();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => processPayment(payments, request)),
    );
    expect(new Set(answers.map(({ payment }) => payment.providerReference)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("another request with the same id is refused, whatever came of the first", async () => {
    const request = aChargeRequest();
    await processPayment(payments, request);
    const other = aChargeRequest({
      paymentId: request.paymentId,
      minorUnits: 5n,
      fingerprint: "other",
    });
    await expect(processPayment(payments, other)).rejects.toThrow(reason("REQUEST_ID_REUSED"));
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("an answer that is lost leaves it PENDING; asking again finds the charge", async () => {
    const request = aChargeRequest({ token: "tok_timeout_then_success" });
    await expect(processPayment(payments, request)).rejects.toThrow(reason("PROVIDER_UNAVAILABLE"));
    expect((await payments.store.get(request.paymentId))?.status).toBe("PENDING");
    expect((await processPayment(payments, request)).payment.status).toBe("SUCCEEDED");
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  test("a payment left PENDING is looked for at the provider before it is charged again", async () => {
    const request = aChargeRequest({ token: "tok_timeout_then_success" });
    await expect(processPayment(payments, request)).rejects.toThrow(reason("PROVIDER_UNAVAILABLE"));
    const noCharge = { ...payments, provider: crashingAt(payments.provider, "charge", "before") };
    expect((await processPayment(noCharge, request)).payment.status).toBe("SUCCEEDED");
  });

  test("a provider that never answers, and heeds no signal, is not waited for", async () => {
    const never = () => new Promise<never>(() => {});
    const deaf = { ...payments, provider: { charge: never, refund: never, find: never } };
    await expect(processPayment(deaf, aChargeRequest())).rejects.toThrow(
      reason("PROVIDER_UNAVAILABLE"),
    );
  });

  test("a flaky provider is asked again by the caller, with the same key", async () => {
    const request = aChargeRequest({ token: "tok_flaky" });
    await expect(processPayment(payments, request)).rejects.toThrow(reason("PROVIDER_UNAVAILABLE"));
    await expect(processPayment(payments, request)).rejects.toThrow(reason("PROVIDER_UNAVAILABLE"));
    expect((await processPayment(payments, request)).payment.status).toBe("SUCCEEDED");
  });

  test("a provider that charged another amount is not believed", async () => {
    const request = aChargeRequest();
    await payments.provider.charge(
      request.paymentId,
      EUR(7n),
      "tok_visa",
      AbortSignal.timeout(1_000),
    );
    await expect(processPayment(payments, request)).rejects.toThrow("another amount");
    expect((await payments.store.get(request.paymentId))?.status).toBe("PENDING");
  });

  test("the payment token is in no log line", async () => {
    for (const token of ["tok_visa", "tok_declined", "tok_timeout", "tok_flaky"])
      await processPayment(payments, aChargeRequest({ token })).catch((error) =>
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
    const dying = { ...payments, [part]: crashingAt(payments[part], method as never, when) };
    await expect(processPayment(dying, request)).rejects.toThrow(Crash);
    expect((await processPayment(payments, request)).payment.status).toBe("SUCCEEDED");
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000"]);
  });

  const charges = cases.filter(
    ([, method, when]) => method === "settle" || (method === "charge" && when === "after"),
  );
  test.each(charges)(
    "%s.%s, %s: a refund instead of the retry finds the charge and gives it back",
    async (part, method, when) => {
      const request = aChargeRequest();
      const dying = { ...payments, [part]: crashingAt(payments[part], method as never, when) };
      await expect(processPayment(dying, request)).rejects.toThrow(Crash);
      expect((await refundPayment(payments, request.paymentId, aWish())).payment.status).toBe(
        "REFUNDED",
      );
      expect(await setting.moves(request.paymentId)).toEqual(["charge 1000", "refund 1000"]);
    },
  );
});

describe("a charge that comes too late", () => {
  test("is refused when a refund came before it", async () => {
    const request = aChargeRequest();
    const { payment } = await refundPayment(payments, request.paymentId, aWish());
    expect(payment).toMatchObject({ status: "VOIDED", charge: undefined });
    await expect(processPayment(payments, request)).rejects.toThrow(reason("PAYMENT_VOIDED"));
    expect(await setting.moves(request.paymentId)).toEqual([]);
  });

  /**
   * Stands still between the intent and the charge, long enough for the reconciler to give the
   * payment up.
   */
  const stalled = async (request: ReturnType<typeof aChargeRequest>) => {
    await payments.store.open(request.paymentId, request.charge);
    await payments.store.settle(request.paymentId, { outcome: "declined", reason: "ABANDONED" });
    await payments.provider.charge(
      request.paymentId,
      request.charge.amount,
      request.token,
      AbortSignal.timeout(1_000),
    );
  };

  test("is given back by the process that finds out when it settles", async () => {
    const request = aChargeRequest();
    const { provider, store } = payments;
    const abandoning: PaymentProvider = {
      charge: async (...args) => {
        await store.settle(request.paymentId, { outcome: "declined", reason: "ABANDONED" });
        return provider.charge(...args);
      },
      refund: (...args) => provider.refund(...args),
      find: (...args) => provider.find(...args),
    };
    const { payment } = await processPayment({ ...payments, provider: abandoning }, request);
    expect(payment).toMatchObject({
      status: "DECLINED",
      declineReason: "ABANDONED",
      refunds: [{ status: "SUCCEEDED", minorUnits: 1_000n }],
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

  test("is given back by the retry when that process died", async () => {
    const request = aChargeRequest();
    await stalled(request);
    const answers = await Promise.all([
      processPayment(payments, request),
      processPayment(payments, request),
    ]);
    expect(answers.map(({ payment }) => payment.status)).toEqual(["DECLINED", "DECLINED"]);
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("is given back by the refund when that process died", async () => {
    const request = aChargeRequest();
    await stalled(request);
    expect((await refundPayment(payments, request.paymentId, aWish())).payment.status).toBe(
      "DECLINED",
    );
    expect(await setting.moves(request.paymentId)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("is not said to be given back while it is not", async () => {
    const request = aChargeRequest({ token: "tok_refund_fails" });
    await stalled(request);
    expect((await processPayment(payments, request)).payment).toMatchObject({
      status: "DECLINED",
      refunds: [{ status: "PENDING" }],
    });
    await expect(refundPayment(payments, request.paymentId, aWish())).rejects.toThrow(
      reason("PAYMENT_IN_PROGRESS"),
    );
  });
});

describe("refundPayment", () => {
  test("gives all back", async () => {
    const { id } = await charged();
    const { payment, replayed } = await refundPayment(payments, id, aWish());
    expect(payment).toMatchObject({
      status: "REFUNDED",
      refunds: [{ status: "SUCCEEDED", minorUnits: 1_000n, reason: "returned" }],
    });
    expect(replayed).toBe(false);
    expect(await setting.moves(id)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("gives parts back; all that is left is what is left", async () => {
    const { id } = await charged();
    expect((await refundPayment(payments, id, aWish(300n))).payment.status).toBe(
      "PARTIALLY_REFUNDED",
    );
    expect((await refundPayment(payments, id, aWish())).payment.status).toBe("REFUNDED");
    expect((await setting.moves(id)).sort()).toEqual(["charge 1000", "refund 300", "refund 700"]);
  });

  test("the same refund again, by its amount or as all that was left, is the same refund", async () => {
    const { id } = await charged();
    for (const wish of [aWish(300n), aWish()]) {
      const first = await refundPayment(payments, id, wish);
      expect(await refundPayment(payments, id, wish)).toEqual({
        payment: first.payment,
        replayed: true,
      });
    }
    expect((await setting.moves(id)).sort()).toEqual(["charge 1000", "refund 300", "refund 700"]);
  });

  test("another request with the same id is refused", async () => {
    const { id } = await charged();
    const wish = aWish(300n);
    await refundPayment(payments, id, wish);
    await expect(
      refundPayment(payments, id, { ...wish, amount: EUR(1n), fingerprint: "other" }),
    ).rejects.toThrow(reason("REQUEST_ID_REUSED"));
  });

  test("when nothing is left: all that is left is nothing, an amount is too much", async () => {
    const { id } = await charged();
    const { payment } = await refundPayment(payments, id, aWish());
    expect(await refundPayment(payments, id, aWish())).toEqual({ payment, replayed: false });
    await expect(refundPayment(payments, id, aWish(1n))).rejects.toThrow(
      reason("REFUND_EXCEEDS_CAPTURE"),
    );
    expect(await setting.moves(id)).toEqual(["charge 1000", "refund 1000"]);
  });

  test("50 refunds at once never exceed the capture", async () => {
    const { id } = await charged(1_050n);
    const answers = await Promise.allSettled(
      Array.from({ length: 50 }, () => refundPayment(payments, id, aWish(100n))),
    );
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
    const refused = answers.flatMap((answer) =>
      answer.status === "rejected" ? [answer.reason.reason] : [],
    );
    expect(new Set(refused)).toEqual(new Set(["REFUND_EXCEEDS_CAPTURE"]));
    expect((await setting.moves(id)).filter((move) => move === "refund 100")).toHaveLength(10);
  });

  test("one refund asked for 20 times at once is one refund", async () => {
    const { id } = await charged();
    const wish = aWish();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => refundPayment(payments, id, wish)),
    );
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await setting.moves(id)).toEqual(["charge 1000", "refund 1000"]);
  });

  test.each(["tok_declined", "tok_insufficient_funds"])(
    "of a declined payment (%s) answers as it is",
    async (token) => {
      const { id } = await charged(1_000n, token);
      expect((await refundPayment(payments, id, aWish())).payment.status).toBe("DECLINED");
      expect(await setting.moves(id)).toEqual(["decline 1000"]);
    },
  );

  test("of a payment that is being charged is not answered before that is known", async () => {
    const request = aChargeRequest({ token: "tok_timeout" });
    await expect(processPayment(payments, request)).rejects.toThrow(reason("PROVIDER_UNAVAILABLE"));
    await expect(refundPayment(payments, request.paymentId, aWish())).rejects.toThrow(
      reason("PAYMENT_IN_PROGRESS"),
    );
    // Once nobody can be charging it any more, the refund gives it up, so that no late charge comes
    // after the answer.
    await vi.waitFor(async () => {
      expect((await refundPayment(payments, request.paymentId, aWish())).payment).toMatchObject({
        status: "DECLINED",
        declineReason: "ABANDONED",
      });
    });
    expect((await processPayment(payments, { ...request, token: "tok_visa" })).payment.status).toBe(
      "DECLINED",
    );
    expect(await setting.moves(request.paymentId)).toEqual([]);
  });

  test("that the provider does not take keeps its money set aside, and goes on when asked again", async () => {
    const { id } = await charged(1_000n, "tok_refund_fails");
    const wish = aWish();
    await expect(refundPayment(payments, id, wish)).rejects.toThrow(reason("PROVIDER_UNAVAILABLE"));
    expect((await payments.store.get(id))?.refunds).toMatchObject([{ status: "PENDING" }]);
    await expect(refundPayment(payments, id, aWish())).rejects.toThrow(
      reason("PAYMENT_IN_PROGRESS"),
    );
    await writeFile(join(setting.bookDir, REFUNDS_WORK), "");
    expect(await refundPayment(payments, id, wish)).toMatchObject({
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
      const wish = aWish();
      const dying = { ...payments, [part]: crashingAt(payments[part], method as never, when) };
      await expect(refundPayment(dying, id, wish)).rejects.toThrow(Crash);
      expect((await refundPayment(payments, id, wish)).payment.status).toBe("REFUNDED");
      expect(await setting.moves(id)).toEqual(["charge 1000", "refund 1000"]);
    },
  );

  test("any sequence of refunds, crashes and retries: the book never gives back more than it took, and agrees with the store", async () => {
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
      const wish = aWish(amount ?? undefined, {
        id: `00000000-0000-4000-8000-00000000000${refund}`,
      });
      const dying =
        crash === undefined
          ? payments
          : {
              ...payments,
              [crash[0]]: crashingAt(payments[crash[0]], crash[1] as never, crash[2]),
            };
      await refundPayment(dying, id, wish).catch(expectKnown);
    }
    const stored = (await payments.store.get(id)) as Payment;
    const back = (await setting.moves(id))
      .filter((move) => move.startsWith("refund"))
      .map((move) => BigInt(move.split(" ")[1] ?? 0));
    const total = (amounts: bigint[]) => amounts.reduce((sum, amount) => sum + amount, 0n);
    expect(total(back)).toBeLessThanOrEqual(1_000n);
    const settled = stored.refunds.filter(({ status }) => status === "SUCCEEDED");
    expect(total(back)).toBeGreaterThanOrEqual(total(settled.map(({ minorUnits }) => minorUnits)));
    expect(back.length).toBeLessThanOrEqual(stored.refunds.length);
  }
});

function expectKnown(error: unknown): void {
  if (!(error instanceof Crash)) expect(error).toHaveProperty("reason");
}
