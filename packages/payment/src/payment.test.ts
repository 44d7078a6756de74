import { RequestError } from "@tercet/service";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PaymentError } from "./errors.ts";
import {
  CAPTURED,
  decideRefund,
  IllegalTransitionError,
  type Payment,
  type PaymentStatus,
  type Refund,
  refundableMinorUnits,
  refundedMinorUnits,
  refundedStatus,
  settledStatus,
  TRANSITIONS,
  transition,
} from "./payment.ts";

const now = new Date("2026-01-01T00:00:00Z");
const EUR = (minorUnits: bigint) => ({ currencyCode: "EUR", minorUnits });
const aRefund = (
  minorUnits: bigint,
  status: Refund["status"] = "SUCCEEDED",
  id = "r1",
): Refund => ({
  id,
  amount: EUR(minorUnits),
  status,
  reason: "",
  fingerprint: "f",
  createTime: now,
});
const aPayment = (change: Partial<Payment> = {}): Payment => ({
  id: "p1",
  status: "SUCCEEDED",
  charge: { orderId: "o1", customerId: "c1", amount: EUR(1_000n), fingerprint: "f" },
  refunds: [],
  declineReason: undefined,
  providerReference: "ch_1",
  events: [],
  createTime: now,
  updateTime: now,
  ...change,
});
const aRefundRequest = (minorUnits?: bigint, id = "new") => ({
  id,
  amount: minorUnits === undefined ? undefined : EUR(minorUnits),
  reason: "",
  fingerprint: "f",
});
const reasonOf = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    if (error instanceof PaymentError || error instanceof RequestError) return error.reason;
    throw error;
  }
};

describe("the transition table", () => {
  const statuses = Object.keys(TRANSITIONS) as PaymentStatus[];

  test("a transition is allowed or refused exactly as the table says", () => {
    for (const from of statuses) {
      for (const to of statuses) {
        if (TRANSITIONS[from].includes(to)) expect(transition(from, to)).toBe(to);
        else expect(() => transition(from, to)).toThrow(IllegalTransitionError);
      }
    }
  });

  test("a captured payment stays captured", () => {
    for (const from of CAPTURED)
      expect(TRANSITIONS[from].every((to) => CAPTURED.includes(to))).toBe(true);
  });

  test.each(["DECLINED", "REFUNDED", "VOIDED"] as const)("%s is final", (status) =>
    expect(TRANSITIONS[status]).toEqual([]),
  );

  test("a charge settles as the provider says", () => {
    expect(settledStatus({ outcome: "approved", reference: "ch" })).toBe("SUCCEEDED");
    expect(settledStatus({ outcome: "declined", reason: "CARD_DECLINED" })).toBe("DECLINED");
  });

  test("a refund leads to REFUNDED only when everything is refunded", () => {
    expect(refundedStatus("SUCCEEDED", 100n, 99n)).toBe("PARTIALLY_REFUNDED");
    expect(refundedStatus("PARTIALLY_REFUNDED", 100n, 100n)).toBe("REFUNDED");
    expect(refundedStatus("DECLINED", 100n, 100n)).toBe("DECLINED");
    expect(() => refundedStatus("REFUNDED", 100n, 101n)).toThrow(IllegalTransitionError);
  });
});

describe("what can be refunded", () => {
  test("the capture less every refund, PENDING or SUCCEEDED", () => {
    const payment = aPayment({ refunds: [aRefund(300n), aRefund(200n, "PENDING", "r2")] });
    expect(refundableMinorUnits(payment)).toBe(500n);
    expect(refundedMinorUnits(payment)).toBe(300n);
  });

  test.each(["PENDING", "DECLINED", "VOIDED"] as const)(
    "nothing of a payment that is %s",
    (status) => {
      expect(refundableMinorUnits(aPayment({ status }))).toBe(0n);
    },
  );
});

describe("deciding on a refund", () => {
  test("an amount within what is left is a new refund; no amount is all that is left", () => {
    const payment = aPayment({ refunds: [aRefund(300n)] });
    expect(decideRefund(payment, aRefundRequest(700n))).toMatchObject({
      kind: "new",
      refund: { amount: EUR(700n) },
    });
    expect(decideRefund(payment, aRefundRequest())).toMatchObject({
      kind: "new",
      refund: { amount: EUR(700n) },
    });
  });

  test("more than what is left is refused, and the error names what is left", () => {
    const payment = aPayment({ refunds: [aRefund(300n)] });
    const refused = expect.objectContaining({
      reason: "REFUND_EXCEEDS_CAPTURE",
      metadata: { refundable_minor_units: "700" },
    });
    expect(() => decideRefund(payment, aRefundRequest(701n))).toThrow(refused);
  });

  test("the same id is the same refund, and must be the same request", () => {
    const known = aRefund(300n);
    const payment = aPayment({ refunds: [known] });
    expect(decideRefund(payment, aRefundRequest(300n, known.id))).toEqual({
      kind: "repeated",
      refund: known,
    });
    expect(
      reasonOf(() =>
        decideRefund(payment, { ...aRefundRequest(300n, known.id), fingerprint: "other" }),
      ),
    ).toBe("REQUEST_ID_REUSED");
  });

  test("another currency is refused", () => {
    const request = { ...aRefundRequest(), amount: { currencyCode: "USD", minorUnits: 1n } };
    expect(reasonOf(() => decideRefund(aPayment(), request))).toBe("CURRENCY_MISMATCH");
  });

  test("nothing is left only when every refund succeeded, not while one is PENDING", () => {
    const back = aPayment({ status: "REFUNDED", refunds: [aRefund(1_000n)] });
    expect(decideRefund(back, aRefundRequest())).toEqual({ kind: "nothing left" });
    expect(reasonOf(() => decideRefund(back, aRefundRequest(1n)))).toBe("REFUND_EXCEEDS_CAPTURE");
    expect(
      reasonOf(() =>
        decideRefund(aPayment({ refunds: [aRefund(1_000n, "PENDING")] }), aRefundRequest()),
      ),
    ).toBe("PAYMENT_IN_PROGRESS");
  });

  test("no sequence of requests refunds more than the capture or makes an illegal transition", () => {
    const request = fc.record({
      id: fc.integer({ min: 0, max: 8 }).map(String),
      amount: fc.option(fc.bigInt(1n, 1_200n)),
      settle: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.bigInt(1n, 1_000n),
        fc.array(request, { maxLength: 30 }),
        (captured, requests) => {
          let payment = aPayment({
            charge: { orderId: "o", customerId: "c", amount: EUR(captured), fingerprint: "f" },
          });
          for (const { id, amount, settle } of requests)
            payment = take(payment, aRefundRequest(amount ?? undefined, id), settle);
          const taken = payment.refunds.reduce(
            (total, { amount }) => total + amount.minorUnits,
            0n,
          );
          expect(taken).toBeLessThanOrEqual(captured);
          expect(taken + refundableMinorUnits(payment)).toBe(captured);
          expect(payment.status === "REFUNDED").toBe(refundedMinorUnits(payment) === captured);
        },
      ),
    );
  });
});

/** Returns the payment after the request; unchanged if the request is refused. */
function take(
  payment: Payment,
  request: ReturnType<typeof aRefundRequest>,
  settle: boolean,
): Payment {
  const decision = reasonOf(() => decideRefund(payment, request)) as
    | ReturnType<typeof decideRefund>
    | string;
  if (typeof decision === "string" || decision.kind !== "new") return payment;
  expect(decision.refund.amount.minorUnits).toBeGreaterThan(0n);
  const refund: Refund = {
    ...decision.refund,
    status: settle ? "SUCCEEDED" : "PENDING",
    createTime: now,
  };
  const taken = { ...payment, refunds: [...payment.refunds, refund] };
  if (!settle) return taken;
  return {
    ...taken,
    status: refundedStatus(
      payment.status,
      payment.charge?.amount.minorUnits ?? 0n,
      refundedMinorUnits(taken),
    ),
  };
}
