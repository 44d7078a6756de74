import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import type { Pact } from "@pact-foundation/pact";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";
import { charge, refundAll } from "@tercet/order";
import { createServiceClient } from "@tercet/service";
import { connectJson } from "../connect-json.ts";
import { EXAMPLE_TOKEN, euros, exchange, Refusal, type State } from "../pact.ts";

const { processPayment, refundPayment } = PaymentService.method;

const ORDER_ID = "0199c0de-0000-7000-8000-00000000000a";
const CUSTOMER_ID = "0199c0de-0000-7000-8000-00000000000b";
const REFUND_ID = "0199c0de-0000-7000-8000-00000000000c";
const TOTAL = 2_500n;

const ORDER_MAY_CALL: State = { name: "Order has a token for Payment" };
const payment = (name: string, paymentId: string): State => ({
  name,
  params: { paymentId, orderId: ORDER_ID, customerId: CUSTOMER_ID },
});

/**
 * What Order's sagas rely on: each outcome that a step tells from the others, by the code that
 * tells it.
 */
export async function orderOfPayment(pact: Pact): Promise<void> {
  await charged(pact);
  await notCharged(pact);
  await refunded(pact);
}

async function charged(pact: Pact): Promise<void> {
  const id = paymentId(1);
  const answer = {
    id,
    orderId: ORDER_ID,
    customerId: CUSTOMER_ID,
    status: "PAYMENT_STATUS_SUCCEEDED",
    amount: euros(TOTAL),
  };
  await charging(
    pact,
    { receiving: "a charge that is approved", given: [], id, token: "tok_visa", answer },
    (url) => chargeAt(url, id, "tok_visa"),
  );
}

async function notCharged(pact: Pact): Promise<void> {
  const declined = paymentId(2);
  const answer = {
    id: declined,
    status: "PAYMENT_STATUS_DECLINED",
    amount: euros(TOTAL),
    declineReason: "CARD_DECLINED",
  };
  await charging(
    pact,
    {
      receiving: "a charge that is declined",
      given: [],
      id: declined,
      token: "tok_declined",
      answer,
    },
    (url) =>
      assert.rejects(chargeAt(url, declined, "tok_declined"), {
        code: "TERMINAL",
        reason: "PAYMENT_DECLINED",
      }),
  );
  const voided = paymentId(3);
  const given = [payment("the payment was refunded before it was charged", voided)];
  const tooLate = new Refusal(Code.FailedPrecondition, "PAYMENT_VOIDED");
  await charging(
    pact,
    {
      receiving: "a charge that comes after its refund",
      given,
      id: voided,
      token: "tok_visa",
      answer: tooLate,
    },
    (url) => assert.rejects(chargeAt(url, voided, "tok_visa"), { code: "TERMINAL" }),
  );
  const unknown = paymentId(4);
  const noAnswer = new Refusal(Code.Unavailable, "PROVIDER_UNAVAILABLE");
  await charging(
    pact,
    {
      receiving: "a charge whose provider fails",
      given: [],
      id: unknown,
      token: "tok_flaky",
      answer: noAnswer,
    },
    (url) => assert.rejects(chargeAt(url, unknown, "tok_flaky"), { code: "UNKNOWN_OUTCOME" }),
  );
}

async function refunded(pact: Pact): Promise<void> {
  const given = (name: string, id: string) => [payment(name, id)];
  const charged = paymentId(5);
  const refund = {
    id: REFUND_ID,
    amount: euros(TOTAL),
    status: "REFUND_STATUS_SUCCEEDED",
    reason: "out of stock",
  };
  const answer = {
    id: charged,
    status: "PAYMENT_STATUS_REFUNDED",
    amount: euros(TOTAL),
    refunded: euros(TOTAL),
    refunds: [refund],
  };
  await refunding(
    pact,
    {
      receiving: "a refund of all",
      given: given("the payment was charged", charged),
      id: charged,
      answer,
    },
    (url) => refundAt(url, charged),
  );
  const unseen = paymentId(6);
  const tombstone = { id: unseen, status: "PAYMENT_STATUS_VOIDED" };
  await refunding(
    pact,
    {
      receiving: "a refund that comes before its charge",
      given: [],
      id: unseen,
      answer: tombstone,
    },
    (url) => refundAt(url, unseen),
  );
  const open = paymentId(7);
  const inProgress = new Refusal(Code.Aborted, "PAYMENT_IN_PROGRESS");
  const charging = given("the payment is being charged", open);
  await refunding(
    pact,
    {
      receiving: "a refund while the charge is under way",
      given: charging,
      id: open,
      answer: inProgress,
    },
    (url) => assert.rejects(refundAt(url, open), { code: "RETRYABLE" }),
  );
}

interface Asked {
  readonly receiving: string;
  readonly given: readonly State[];
  readonly id: string;
  readonly answer: unknown;
}

function charging(
  pact: Pact,
  { id, token, given, ...rest }: Asked & { token: string },
  call: (url: string) => Promise<void>,
): Promise<void> {
  const request = {
    paymentId: id,
    orderId: ORDER_ID,
    customerId: CUSTOMER_ID,
    amount: euros(TOTAL),
    paymentMethod: { token },
  };
  return exchange(
    pact,
    { ...rest, given: [ORDER_MAY_CALL, ...given], method: processPayment, token: true, request },
    call,
  );
}

function refunding(
  pact: Pact,
  { id, given, ...rest }: Asked,
  call: (url: string) => Promise<void>,
): Promise<void> {
  const request = { paymentId: id, refundId: REFUND_ID, reason: "out of stock" };
  return exchange(
    pact,
    { ...rest, given: [ORDER_MAY_CALL, ...given], method: refundPayment, token: true, request },
    call,
  );
}

const chargeAt = (url: string, id: string, token: string): Promise<void> =>
  charge(
    clientOf(url),
    {
      paymentId: id,
      orderId: ORDER_ID,
      customerId: CUSTOMER_ID,
      amount: { currencyCode: "EUR", minorUnits: TOTAL },
      token,
    },
    { signal: new AbortController().signal, repeated: false },
  );

const refundAt = (url: string, id: string): Promise<void> =>
  refundAll(
    clientOf(url),
    { paymentId: id, refundId: REFUND_ID, reason: "out of stock" },
    new AbortController().signal,
  );

/** As Order makes it: one attempt, since the saga is who tries again. */
const clientOf = (baseUrl: string) =>
  createServiceClient(PaymentService, {
    baseUrl,
    token: async () => EXAMPLE_TOKEN,
    timeoutMs: 10_000,
    maxAttempts: 1,
    transport: connectJson,
  });

const paymentId = (n: number): string => `0199c0de-0000-7000-8000-00000000010${n}`;
