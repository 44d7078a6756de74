import { orderFailpoints } from "@tercet/order";
import { paymentFailpoints } from "@tercet/payment";
import { expect, test } from "vitest";
import { allPairs } from "./pair-journeys.ts";
import { seededRandom } from "./random.ts";

const pairs = allPairs(seededRandom(1));
const named = (service: string) =>
  new Set(pairs.filter(({ first }) => first.service === service).map(({ first }) => first.name));

/**
 * Those that an idle process reaches, or that only a stop, a give-up, a late charge or an
 * operator's refund leads to.
 */
const ALONE =
  /:(sagas\.(heartbeat|claimDue|release)|order\.recordRefunds|payments\.listRefundedPayments|store\.(void|recordLateCharge|markAttempted|keepWatch))$/;

test("every failpoint that an order can reach is in pairs, and no other", () => {
  expect(named("order")).toEqual(new Set(orderFailpoints.filter((name) => !ALONE.test(name))));
  expect(named("payment")).toEqual(new Set(paymentFailpoints.filter((name) => !ALONE.test(name))));
});

test("the order of the pairs is the seed's", () => {
  const names = (seed: number) =>
    allPairs(seededRandom(seed)).map(({ first, second }) => `${first.name} ${second.name}`);
  expect(names(1)).toEqual(names(1));
  expect(names(1)).not.toEqual(names(2));
  expect(new Set(pairs).size).toBe(pairs.length);
});
