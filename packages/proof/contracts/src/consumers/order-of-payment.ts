import assert from "node:assert/strict";
import type { DescMethod } from "@bufbuild/protobuf";
import { type Client, Code } from "@connectrpc/connect";
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
const REASON = "out of stock";
const TOTAL = 2_500n;
const NEVER = new AbortController().signal;

const ORDER_MAY_CALL: State = { name: "Order has a token for Payment" };

/** One call of a saga's step, for the payment with the number `n`. */
interface Step {
  readonly receiving: string;
  readonly n: number;
  /** The state of the payment; by default there is none. */
  readonly given?: string;
  readonly answer: unknown;
  /** What the engine receives; by default the step succeeds. */
  readonly error?: object;
}

/** What Order's sagas rely on: each outcome that a step distinguishes, by its code. */
export async function orderOfPayment(pact: Pact): Promise<void> {
  await charges(pact);
  await refunds(pact);
}

async function charges(pact: Pact): Promise<void> {
  const amount = euros(TOTAL);
  const owner = { orderId: ORDER_ID, customerId: CUSTOMER_ID };
  await charging(pact, "tok_visa", {
    receiving: "a charge that is approved",
    n: 1,
    answer: { id: paymentId(1), ...owner, status: "PAYMENT_STATUS_SUCCEEDED", amount },
  });
  const declined = { status: "PAYMENT_STATUS_DECLINED", declineReason: "CARD_DECLINED" };
  await charging(pact, "tok_declined", {
    receiving: "a charge that is declined",
    n: 2,
    answer: { id: paymentId(2), ...declined, amount },
    error: { code: "TERMINAL", reason: "PAYMENT_DECLINED" },
  });
  await charging(pact, "tok_visa", {
    receiving: "a charge that comes after its refund",
    n: 3,
    given: "the payment was refunded before it was charged",
    answer: new Refusal(Code.FailedPrecondition, "PAYMENT_VOIDED"),
    error: { code: "TERMINAL" },
  });
  await charging(pact, "tok_flaky", {
    receiving: "a charge whose provider fails",
    n: 4,
    answer: new Refusal(Code.Unavailable, "PROVIDER_UNAVAILABLE"),
    error: { code: "UNKNOWN_OUTCOME" },
  });
}

async function refunds(pact: Pact): Promise<void> {
  const amount = euros(TOTAL);
  const refunded = { status: "PAYMENT_STATUS_REFUNDED", amount, refunded: amount };
  const refund = { id: REFUND_ID, amount, status: "REFUND_STATUS_SUCCEEDED", reason: REASON };
  await refunding(pact, {
    receiving: "a refund of all",
    n: 5,
    given: "the payment was charged",
    answer: { id: paymentId(5), ...refunded, refunds: [refund] },
  });
  await refunding(pact, {
    receiving: "a refund that comes before its charge",
    n: 6,
    answer: { id: paymentId(6), status: "PAYMENT_STATUS_VOIDED" },
  });
  await refunding(pact, {
    receiving: "a refund while the charge is under way",
    n: 7,
    given: "the payment is being charged",
    answer: new Refusal(Code.Aborted, "PAYMENT_IN_PROGRESS"),
    error: { code: "RETRYABLE" },
  });
}

function charging(pact: Pact, token: string, step: Step): Promise<void> {
  const payment = { paymentId: paymentId(step.n), orderId: ORDER_ID, customerId: CUSTOMER_ID };
  const request = { ...payment, amount: euros(TOTAL), paymentMethod: { token } };
  const amount = { currencyCode: "EUR", minorUnits: TOTAL };
  return calling(pact, processPayment, request, step, (client) =>
    charge(client, { ...payment, amount, token }, { signal: NEVER, repeated: false }),
  );
}

function refunding(pact: Pact, step: Step): Promise<void> {
  const request = { paymentId: paymentId(step.n), refundId: REFUND_ID, reason: REASON };
  return calling(pact, refundPayment, request, step, (client) =>
    refundAll(client, request, { signal: NEVER, fairnessKey: CUSTOMER_ID }),
  );
}

function calling(
  pact: Pact,
  method: DescMethod,
  request: object,
  { receiving, n, given, answer, error }: Step,
  call: (client: Client<typeof PaymentService>) => Promise<void>,
): Promise<void> {
  const params = { paymentId: paymentId(n), orderId: ORDER_ID, customerId: CUSTOMER_ID };
  const states = given === undefined ? [] : [{ name: given, params }];
  const how = { receiving, given: [ORDER_MAY_CALL, ...states], token: true };
  return exchange(pact, { ...how, method, request, answer }, (url) => {
    const called = call(clientOf(url));
    return error === undefined ? called : assert.rejects(called, error);
  });
}

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
