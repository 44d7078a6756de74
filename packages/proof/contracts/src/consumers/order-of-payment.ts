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

/** What Order's sagas rely on: each outcome that a step distinguishes, by its code. */
export async function orderOfPayment(pact: Pact): Promise<void> {
  await charged(pact);
  await notCharged(pact);
  await refunded(pact);
}

async function charged(pact: Pact): Promise<void> {
  const id = paymentId(1);
  const owner = { orderId: ORDER_ID, customerId: CUSTOMER_ID };
  const answer = { id, ...owner, status: "PAYMENT_STATUS_SUCCEEDED", amount: euros(TOTAL) };
  const how = { receiving: "a charge that is approved", given: [], id, token: "tok_visa", answer };
  await charging(pact, how, (url) => chargeAt(url, id, "tok_visa"));
}

async function notCharged(pact: Pact): Promise<void> {
  const fails = (how: Asked & { token: string }, error: object) =>
    charging(pact, how, (url) => assert.rejects(chargeAt(url, how.id, how.token), error));
  const declined = paymentId(2);
  const answer = {
    id: declined,
    status: "PAYMENT_STATUS_DECLINED",
    amount: euros(TOTAL),
    declineReason: "CARD_DECLINED",
  };
  await fails(
    {
      receiving: "a charge that is declined",
      given: [],
      id: declined,
      token: "tok_declined",
      answer,
    },
    { code: "TERMINAL", reason: "PAYMENT_DECLINED" },
  );
  const voided = paymentId(3);
  await fails(
    {
      receiving: "a charge that comes after its refund",
      given: [payment("the payment was refunded before it was charged", voided)],
      id: voided,
      token: "tok_visa",
      answer: new Refusal(Code.FailedPrecondition, "PAYMENT_VOIDED"),
    },
    { code: "TERMINAL" },
  );
  await fails(
    {
      receiving: "a charge whose provider fails",
      given: [],
      id: paymentId(4),
      token: "tok_flaky",
      answer: new Refusal(Code.Unavailable, "PROVIDER_UNAVAILABLE"),
    },
    { code: "UNKNOWN_OUTCOME" },
  );
}

async function refunded(pact: Pact): Promise<void> {
  const amount = euros(TOTAL);
  const charged = paymentId(5);
  const refund = {
    id: REFUND_ID,
    amount,
    status: "REFUND_STATUS_SUCCEEDED",
    reason: "out of stock",
  };
  const answer = {
    id: charged,
    status: "PAYMENT_STATUS_REFUNDED",
    amount,
    refunded: amount,
    refunds: [refund],
  };
  await refunding(
    pact,
    {
      receiving: "a refund of all",
      given: [payment("the payment was charged", charged)],
      id: charged,
      answer,
    },
    (url) => refundAt(url, charged),
  );
  const unseen = paymentId(6);
  await refunding(
    pact,
    {
      receiving: "a refund that comes before its charge",
      given: [],
      id: unseen,
      answer: { id: unseen, status: "PAYMENT_STATUS_VOIDED" },
    },
    (url) => refundAt(url, unseen),
  );
  const open = paymentId(7);
  await refunding(
    pact,
    {
      receiving: "a refund while the charge is under way",
      given: [payment("the payment is being charged", open)],
      id: open,
      answer: new Refusal(Code.Aborted, "PAYMENT_IN_PROGRESS"),
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

/** As in Order: one attempt, since the saga retries. */
const clientOf = (baseUrl: string) =>
  createServiceClient(PaymentService, {
    baseUrl,
    token: async () => EXAMPLE_TOKEN,
    timeoutMs: 10_000,
    maxAttempts: 1,
    transport: connectJson,
  });

const paymentId = (n: number): string => `0199c0de-0000-7000-8000-00000000010${n}`;
