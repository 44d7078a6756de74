import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import type { Random } from "./random.ts";

/** A way of an order on which processes are killed, and how it ends all the same. */
export interface Journey {
  readonly name: string;
  readonly token: string;
  readonly soldOut?: true;
  /**
   * "confirmed": it is cancelled once it is; only then are processes killed. "pending": it is
   * cancelled while the provider does not answer.
   */
  readonly cancelled?: "confirmed" | "pending";
  readonly ending: OrderStatus;
  /** The calls that it comes by; see `orderFailpoints` and `paymentFailpoints`. */
  readonly order: readonly string[];
  readonly payment: readonly string[];
}

/**
 * An idle process comes by the others, of `sagas`, as soon as it runs; each of them is killed alone
 * by the crash matrix.
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
  /** On the retry, in the process that comes after. */
  readonly second: Failpoint;
}

const around = (service: Failpoint["service"], calls: readonly string[]): Failpoint[] =>
  calls.flatMap((call) => [`before:${call}`, `after:${call}`].map((name) => ({ service, name })));

/**
 * Every failpoint with every one on the retry, on each journey that comes by both; each pair once,
 * in the random's order.
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
  return shuffled([...pairs.values()], random);
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}
