import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import { PaymentService, PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import { RefusedError, RetryableError, TerminalError, UnknownOutcomeError } from "@tercet/saga";
import { expect, test } from "vitest";
import { charge, refundAll } from "./payment-client.ts";

const signal = new AbortController().signal;
const order = {
  paymentId: crypto.randomUUID(),
  orderId: crypto.randomUUID(),
  customerId: crypto.randomUUID(),
  amount: { currencyCode: "EUR", minorUnits: 1n },
};
const refund = { paymentId: order.paymentId, refundId: crypto.randomUUID(), reason: "" };

/** A participant with one fixed response. */
const client = (reply: () => { status: PaymentStatus; declineReason?: string }) =>
  createClient(
    PaymentService,
    createRouterTransport((router) =>
      router.service(PaymentService, { processPayment: reply, refundPayment: reply }),
    ),
  );
const returns = (status: PaymentStatus) => client(() => ({ status }));
const fails = (code: Code) =>
  client(() => {
    throw new ConnectError("the participant failed", code);
  });

test.each([
  [PaymentStatus.DECLINED, TerminalError],
  [PaymentStatus.VOIDED, TerminalError],
  [PaymentStatus.REFUNDED, TerminalError],
  [PaymentStatus.PENDING, UnknownOutcomeError],
  [PaymentStatus.PARTIALLY_REFUNDED, UnknownOutcomeError],
  [PaymentStatus.UNSPECIFIED, UnknownOutcomeError],
  [99 as PaymentStatus, UnknownOutcomeError],
])("a charge that ends in status %s", async (status, error) => {
  await expect(
    charge(returns(status), { ...order, token: "tok_visa" }, { signal, repeated: false }),
  ).rejects.toThrow(error);
});

test("an abandoned payment is not a decline: the card was never charged", async () => {
  const abandoned = client(() => ({ status: PaymentStatus.DECLINED, declineReason: "ABANDONED" }));
  const refused = expect.objectContaining({ reason: "PAYMENT_UNAVAILABLE" });
  await expect(
    charge(abandoned, { ...order, token: "tok_visa" }, { signal, repeated: false }),
  ).rejects.toThrow(refused);
});

test("a payment that is in progress is retried", async () => {
  const busy = client(() => {
    throw new ConnectError("busy", Code.Aborted, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "PAYMENT_IN_PROGRESS" } },
    ]);
  });
  await expect(refundAll(busy, refund, { signal, fairnessKey: "" })).rejects.toThrow(
    RetryableError,
  );
});

test("a charge that succeeds", async () => {
  await expect(
    charge(
      returns(PaymentStatus.SUCCEEDED),
      { ...order, token: "tok_visa" },
      { signal, repeated: false },
    ),
  ).resolves.toBeUndefined();
});

test.each([
  [Code.InvalidArgument, TerminalError],
  [Code.FailedPrecondition, TerminalError],
  [Code.ResourceExhausted, RetryableError],
  [Code.PermissionDenied, RetryableError],
  [Code.Unavailable, UnknownOutcomeError],
  [Code.DeadlineExceeded, UnknownOutcomeError],
  [Code.Internal, UnknownOutcomeError],
  [Code.Unknown, UnknownOutcomeError],
  [Code.Canceled, UnknownOutcomeError],
  [Code.Aborted, UnknownOutcomeError],
])("an error with code %s determines what is known about the outcome", async (code, error) => {
  await expect(
    charge(fails(code), { ...order, token: "tok_visa" }, { signal, repeated: false }),
  ).rejects.toThrow(error);
  await expect(refundAll(fails(code), refund, { signal, fairnessKey: "" })).rejects.toThrow(error);
});

test("a refusal of a repeated charge leaves the outcome of earlier attempts unknown", async () => {
  const refused = (repeated: boolean) =>
    charge(
      fails(Code.InvalidArgument),
      { ...order, token: "tok_visa" },
      { signal, repeated },
    ).catch((error) => error);
  expect(await refused(false)).toEqual(expect.objectContaining({ reason: "PAYMENT_DECLINED" }));
  expect(await refused(false)).not.toBeInstanceOf(RefusedError);
  expect(await refused(true)).toBeInstanceOf(RefusedError);
  expect(await refused(true)).toMatchObject({ reason: "PAYMENT_UNAVAILABLE" });
});

test.each([PaymentStatus.REFUNDED, PaymentStatus.VOIDED, PaymentStatus.DECLINED])(
  "a refund is complete in status %s",
  async (status) => {
    await expect(
      refundAll(returns(status), refund, { signal, fairnessKey: "" }),
    ).resolves.toBeUndefined();
  },
);

test.each([PaymentStatus.PENDING, PaymentStatus.SUCCEEDED, PaymentStatus.PARTIALLY_REFUNDED])(
  "a refund is not complete in status %s",
  async (status) => {
    await expect(refundAll(returns(status), refund, { signal, fairnessKey: "" })).rejects.toThrow(
      UnknownOutcomeError,
    );
  },
);
