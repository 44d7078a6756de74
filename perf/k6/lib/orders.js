import { sleep } from "k6";
import exec from "k6/execution";
import { compensationCalls, orderCreationDuration } from "./metrics.js";
import { call } from "./rpc.js";
import { renewed } from "./session.js";
import { PRICE, SHELF, SOLD_OUT } from "./shop.js";
import { judge } from "./verdict.js";

/** What customers order, and the one end that is right for it. */
const KINDS = {
  confirmed: { token: "tok_visa", soldOut: false, expected: "CONFIRMED" },
  declined: { token: "tok_declined", soldOut: false, expected: "REJECTED PAYMENT_DECLINED" },
  soldOut: { token: "tok_visa", soldOut: true, expected: "CANCELLED OUT_OF_STOCK" },
};

/**
 * By the order's number and not by chance: every run has some of each kind, a short one too. 10%
 * are declined, 5% are refunded. @param {number} number @returns {keyof typeof KINDS}
 */
const kindOf = (number) =>
  number % 10 === 1 ? "declined" : number % 20 === 2 ? "soldOut" : "confirmed";

/**
 * How long an order may take to its end, and how often it is looked at once CreateOrder has
 * answered PENDING.
 */
const PATIENCE_MS = 1_000 * Number(__ENV.PATIENCE_SECONDS || 30);
const LOOK_EVERY_S = 0.25;
const OPEN = ["ORDER_STATUS_PENDING", "ORDER_STATUS_CANCELLING"];

/**
 * @type {import("./session.js").Session | undefined} of this user; k6 gives each user modules of
 * its own
 */
let session;

/** @param {ReturnType<typeof import("./shop.js").setup>} shop */
export function placeOrder({ sessions }) {
  const number = exec.scenario.iterationInTest;
  const kind = kindOf(number);
  // For each call anew: an order that is followed can outlive a token.
  const token = () => {
    session = renewed(session ?? sessions[(exec.vu.idInTest - 1) % sessions.length]);
    return session.accessToken;
  };
  judge(kind, KINDS[kind].expected, () => ending(token, number, KINDS[kind]));
  // A customer looks around for a while.
  sleep(1 + 2 * Math.random());
}

/**
 * How an order that is placed now ends: its status, and its failure's reason if it has one.
 * @param {() => string} token
 * @param {number} number
 * @param {(typeof KINDS)[keyof typeof KINDS]} kind
 */
function ending(token, number, kind) {
  const items = [
    { sku: SHELF[number % SHELF.length], quantity: 1 },
    { sku: kind.soldOut ? SOLD_OUT : SHELF[(number + 1) % SHELF.length], quantity: 2 },
  ];
  const began = Date.now();
  const placed = call(
    "order.v1.OrderService/CreateOrder",
    { requestId: crypto.randomUUID(), items, paymentMethod: { token: kind.token } },
    token(),
  );
  const order = followed(placed, token, began + PATIENCE_MS);
  if (OPEN.includes(order.status)) return `${order.status} after ${PATIENCE_MS / 1_000} s`;
  orderCreationDuration.add(Date.now() - began);
  if (order.total?.minorUnits !== String(3 * PRICE)) return `a total of ${order.total?.minorUnits}`;
  if (order.status === "ORDER_STATUS_CANCELLED") refundOf(order, token);
  return [order.status.replace("ORDER_STATUS_", ""), order.failure?.reason]
    .filter(Boolean)
    .join(" ");
}

/**
 * The order once nothing happens to it any more, or when time is up.
 * @param {any} order
 * @param {() => string} token
 * @param {number} until
 */
function followed(order, token, until) {
  let seen = order;
  while (OPEN.includes(seen.status) && Date.now() < until) {
    sleep(LOOK_EVERY_S);
    seen = call("order.v1.OrderService/GetOrder", { orderId: order.id }, token());
  }
  return seen;
}

/**
 * Throws unless all the money is back.
 * @param {any} order
 * @param {() => string} token
 */
function refundOf({ paymentId }, token) {
  const { status, amount, refunded } = call(
    "payment.v1.PaymentService/GetPayment",
    { paymentId },
    token(),
  );
  if (status !== "PAYMENT_STATUS_REFUNDED" || refunded?.minorUnits !== amount.minorUnits)
    throw new Error(
      `CANCELLED, but its payment is ${status} with ${refunded?.minorUnits} of ${amount.minorUnits} refunded`,
    );
  compensationCalls.add(1);
}
