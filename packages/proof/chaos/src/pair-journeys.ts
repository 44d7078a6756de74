import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import type { Random } from "./random.ts";

/** A path of an order on which processes are killed, and its ending. */
export interface Journey {
  readonly name: string;
  readonly token: string;
  readonly soldOut?: true;
  /**
   * "confirmed": cancelled after it is confirmed; processes are killed only then. "pending":
   * cancelled while the provider does not respond.
   */
  readonly cancelled?: "confirmed" | "pending";
  readonly ending: OrderStatus;
  /** The failpoints that it reaches; a test compares them with the services' lists. */
  readonly order: readonly string[];
  readonly payment: readonly string[];
}

/**
 * The other failpoints of `sagas` are reached by idle processes too; the crash matrix covers each
 * of them alone.
 */
const JOURNEYS: readonly Journey[] = [
  {
    name: "confirmed",
    token: "tok_visa",
    ending: OrderStatus.CONFIRMED,
    order: ["order.insertOrder", "payments.processPayment", "order.confirmOrders"],
    payment: ["store.open", "provider.charge", "store.settle", "provider.find"],
  },
  {
    name: "tried again",
    token: "tok_flaky",
    ending: OrderStatus.CONFIRMED,
    order: ["payments.processPayment", "sagas.move", "order.confirmOrders"],
    payment: ["store.open", "provider.charge", "store.settle"],
  },
  {
    name: "declined",
    token: "tok_declined",
    ending: OrderStatus.REJECTED,
    order: ["order.insertOrder", "payments.processPayment", "order.closeOrders"],
    payment: ["provider.charge", "store.settle", "provider.find"],
  },
  {
    name: "sold out",
    token: "tok_visa",
    soldOut: true,
    ending: OrderStatus.CANCELLED,
    order: [
      "payments.processPayment",
      "order.confirmOrders",
      "order.reflectMoves",
      "payments.refundPayment",
      "order.closeOrders",
    ],
    payment: [
      "provider.charge",
      "store.settle",
      "store.reserveRefund",
      "provider.refund",
      "store.settleRefund",
    ],
  },
  {
    name: "cancelled when confirmed",
    token: "tok_visa",
    cancelled: "confirmed",
    ending: OrderStatus.CANCELLED,
    order: ["order.cancelConfirmed", "payments.refundPayment", "order.restockOrders"],
    payment: ["store.reserveRefund", "provider.refund", "store.settleRefund"],
  },
  {
    name: "cancelled while pending",
    token: "tok_timeout",
    cancelled: "pending",
    ending: OrderStatus.CANCELLED,
    order: ["order.intervene", "payments.refundPayment", "order.closeOrders"],
    payment: ["provider.find", "store.abandon"],
  },
];

export interface Failpoint {
  readonly service: "order" | "payment";
  /** "before:store.open" */
  readonly name: string;
}

export interface Pair {
  readonly journey: Journey;
  readonly first: Failpoint;
  /** On the retry, in the replacement. */
  readonly second: Failpoint;
}

const around = (service: Failpoint["service"], calls: readonly string[]): Failpoint[] =>
  calls.flatMap((call) => [`before:${call}`, `after:${call}`].map((name) => ({ service, name })));

/**
 * Returns each pair of failpoints on each journey that reaches both, once, in random order.
 */
export function allPairs(random: Random): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const journey of JOURNEYS) {
    const points = [...around("order", journey.order), ...around("payment", journey.payment)];
    for (const first of points)
      for (const second of points) {
        const key = `${first.service} ${first.name} ${second.service} ${second.name} ${journey.ending} ${journey.cancelled}`;
        if (!pairs.has(key)) pairs.set(key, { journey, first, second });
      }
  }
  const keyed = [...pairs.values()].map((pair) => ({ pair, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ pair }) => pair);
}
