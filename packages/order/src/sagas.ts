import { begun, local, remote, type SagaDefinition } from "@tercet/saga";
import type { Sql } from "@tercet/service";
import { z } from "zod";
import { CANCEL_ORDER, money, PLACE_ORDER } from "./order.ts";
import { charge, type PaymentClient, refundAll } from "./payments.ts";
import { closeOrders, confirmOrders, reflectMoves, restockOrders } from "./store.ts";

const placeInput = z.object({
  customerId: z.uuid(),
  paymentId: z.uuid(),
  currency: z.string(),
  /** Minor units, as text: JSON has no bigint. */
  total: z.string().regex(/^\d+$/),
  token: z.string(),
});
const cancelInput = z.object({ paymentId: z.uuid(), reason: z.string() });

export type PlaceInput = z.infer<typeof placeInput>;
export type CancelInput = z.infer<typeof cancelInput>;

export interface SagaTimes {
  /** How long an order may be PENDING before it is undone, in milliseconds. */
  readonly deadlineMs: number;
  /** How long undoing is tried before an operator is asked, in milliseconds. */
  readonly compensationBudgetMs: number;
}

export interface SagaDependencies {
  readonly sql: Sql;
  readonly payments: PaymentClient;
  readonly times: SagaTimes;
}

/** Charge the customer, then take the stock and confirm. What cannot be confirmed is refunded. */
export function placeOrder({ sql, payments, times }: SagaDependencies): SagaDefinition<PlaceInput> {
  return {
    kind: PLACE_ORDER,
    version: 1,
    steps: [
      begun({ name: "create", undo: (moves) => closeOrders(sql, moves) }),
      remote<PlaceInput>({
        name: "charge",
        run: ({ input: { customerId, paymentId, currency, total, token }, subject: orderId, signal }) =>
          charge(payments, { paymentId, orderId, customerId, amount: money(currency, BigInt(total)), token }, signal),
        undo: ({ input: { paymentId }, key, failure, signal }) =>
          refundAll(payments, { paymentId, refundId: key, reason: failure.reason }, signal),
      }),
      local({ name: "allocate", run: (moves) => confirmOrders(sql, moves) }),
    ],
    recovery: "backward",
    ...times,
    deadlineFailure: { reason: "PAYMENT_UNAVAILABLE", message: "the payment could not be settled in time" },
    reflect: (moves) => reflectMoves(sql, moves, PLACE_ORDER),
    parse: (input) => placeInput.parse(input),
  };
}

/** Refund, then return the stock. There is no way back: what cannot go on waits for an operator. */
export function cancelOrder({ sql, payments, times }: SagaDependencies): SagaDefinition<CancelInput> {
  return {
    kind: CANCEL_ORDER,
    version: 1,
    steps: [
      begun({ name: "request" }),
      remote<CancelInput>({
        name: "refund",
        run: ({ input: { paymentId, reason }, key, signal }) => refundAll(payments, { paymentId, refundId: key, reason }, signal),
      }),
      local({ name: "restock", run: (moves) => restockOrders(sql, moves) }),
    ],
    recovery: "forward",
    deadlineMs: times.compensationBudgetMs,
    compensationBudgetMs: times.compensationBudgetMs,
    deadlineFailure: { reason: "PAYMENT_UNAVAILABLE", message: "the refund could not be settled in time" },
    reflect: (moves) => reflectMoves(sql, moves, CANCEL_ORDER),
    parse: (input) => cancelInput.parse(input),
  };
}
