import exec from "k6/execution";
import grpc from "k6/net/grpc";
import { compensationCalls, grpcReqFailed } from "./metrics.js";
import { call } from "./rpc.js";
import { renewalOf } from "./session.js";
import { PAYMENT_URL, secret } from "./target.js";
import { judge } from "./verdict.js";

/**
 * What each user does in turn, so that the mix is exact, and a refund is of a payment that this
 * user has made.
 */
const TURN = [
  "charge",
  "decline",
  "charge",
  "charge",
  "refund",
  "charge",
  "charge",
  "charge",
  "charge",
  "refund",
];
const CARDS = { charge: "tok_visa", decline: "tok_declined" };
const EXPECTED = { charge: "SUCCEEDED 0", decline: "DECLINED 0", refund: "REFUNDED 1999" };

const AMOUNT = { currencyCode: "EUR", minorUnits: "1999" };
const TIMEOUT = "10s";

const client = new grpc.Client();
client.load([import.meta.resolve("../../../proto")], "payment/v1/payment_service.proto");
let connected = false;
let token = "";
let renewAt = 0;
/** @type {string[]} charged and not given back yet, by this user */
const charged = [];

export function pay() {
  const kind = /** @type {keyof typeof EXPECTED} */ (
    TURN[exec.vu.iterationInScenario % TURN.length]
  );
  judge(kind, EXPECTED[kind], () => (kind === "refund" ? refund() : charge(kind)));
}

/** @param {keyof typeof CARDS} kind */
function charge(kind) {
  const paymentId = crypto.randomUUID();
  const ending = invoke("ProcessPayment", {
    payment_id: paymentId,
    order_id: crypto.randomUUID(),
    customer_id: crypto.randomUUID(),
    amount: AMOUNT,
    payment_method: { token: CARDS[kind] },
  });
  if (kind === "charge") charged.push(paymentId);
  return ending;
}

function refund() {
  const ending = invoke("RefundPayment", {
    payment_id: charged.pop(),
    refund_id: crypto.randomUUID(),
    reason: "load",
  });
  if (ending === EXPECTED.refund) compensationCalls.add(1);
  return ending;
}

/**
 * Status and refunded amount of the payment that is answered; throws when the answer is an error.
 * @param {"ProcessPayment" | "RefundPayment"} method
 * @param {object} message
 */
function invoke(method, message) {
  const metadata = { authorization: `Bearer ${serviceToken()}` };
  connect();
  const response = client.invoke(`payment.v1.PaymentService/${method}`, message, {
    metadata,
    timeout: TIMEOUT,
  });
  grpcReqFailed.add(response.status !== grpc.StatusOK);
  if (response.status !== grpc.StatusOK)
    throw new Error(`${method}: ${/** @type {any} */ (response.error)?.message}`);
  const { status, refunded } = /** @type {any} */ (response.message);
  return `${status.replace("PAYMENT_STATUS_", "")} ${refunded?.minorUnits ?? 0}`;
}

/** One connection for each user, kept. */
function connect() {
  if (connected) return;
  client.connect(PAYMENT_URL.replace(/^https?:\/\//, ""), {
    plaintext: !PAYMENT_URL.startsWith("https:"),
    timeout: TIMEOUT,
  });
  connected = true;
}

/** Calls as Order does, with its credentials. */
function serviceToken() {
  if (Date.now() < renewAt) return token;
  const answer = call("identity.v1.IdentityService/IssueServiceToken", {
    clientId: "order",
    clientSecret: secret("ORDER_CLIENT_SECRET"),
    audience: "payment",
  });
  token = answer.accessToken;
  renewAt = renewalOf(answer.expiresIn);
  return token;
}
