import { initial, local, remote, type SagaDefinition } from "@tercet/saga";
import { z } from "zod";
import { CANCEL_ORDER, money, PLACE_ORDER } from "./order.ts";
import type { OrderStore } from "./order-store.ts";
import { charge, type PaymentClient, refundAll } from "./payments.ts";

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

export interface OrderSagaDeps {
  readonly orders: OrderStore;
  readonly payments: PaymentClient;
  /** An order is PENDING at most for the deadline; compensation is retried for the budget. */
  readonly times: Pick<SagaDefinition, "deadlineMs" | "compensationBudgetMs">;
}

/** Charge the customer, then take the stock and confirm. What cannot be confirmed is refunded. */
export function placeOrderSaga({
  orders,
  payments,
  times,
}: OrderSagaDeps): SagaDefinition<PlaceInput> {
  return {
    kind: PLACE_ORDER,
    version: 1,
    steps: [
      initial({ name: "create", undo: orders.closeOrders }),
      remote<PlaceInput>({
        name: "charge",
        // Idempotent by `paymentId`, not by `key`: an order has one payment, also beyond this saga.
        run: ({
          input: { customerId, paymentId, currency, total, token },
          subject: orderId,
          ...call
        }) =>
          charge(
            payments,
            { paymentId, orderId, customerId, amount: money(currency, BigInt(total)), token },
            call,
          ),
        undo: ({ input: { paymentId }, key, failure, signal }) =>
          refundAll(payments, { paymentId, refundId: key, reason: failure.reason }, signal),
      }),
      local({ name: "allocate", run: orders.confirmOrders }),
    ],
    recovery: "backward",
    ...times,
    deadlineFailure: {
      reason: "PAYMENT_UNAVAILABLE",
      message: "the payment could not be settled in time",
    },
    syncSubject: (moves) => orders.reflectMoves(moves, PLACE_ORDER),
    parse: (input) => placeInput.parse(input),
  };
}

/** Refund, then return the stock. There is no way back: what cannot go on waits for an operator. */
export function cancelOrderSaga({
  orders,
  payments,
  times,
}: OrderSagaDeps): SagaDefinition<CancelInput> {
  return {
    kind: CANCEL_ORDER,
    version: 1,
    steps: [
      initial({ name: "request" }),
      remote<CancelInput>({
        name: "refund",
        run: ({ input: { paymentId, reason }, key, signal }) =>
          refundAll(payments, { paymentId, refundId: key, reason }, signal),
      }),
      local({ name: "restock", run: orders.restockOrders }),
    ],
    recovery: "forward",
    deadlineMs: times.compensationBudgetMs,
    compensationBudgetMs: times.compensationBudgetMs,
    deadlineFailure: {
      reason: "PAYMENT_UNAVAILABLE",
      message: "the refund could not be settled in time",
    },
    syncSubject: (moves) => orders.reflectMoves(moves, CANCEL_ORDER),
    parse: (input) => cancelInput.parse(input),
  };
}
