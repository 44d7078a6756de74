import { initial, local, remote, type SagaDefinition } from "@tercet/saga";
import { moneyJson } from "@tercet/service";
import { z } from "zod";
import { CANCEL_ORDER, PLACE_ORDER } from "./order.ts";
import { charge, type PaymentClient, refundAll } from "./payment-client.ts";
import type { OrderStore } from "./store.ts";

const placeInput = z.object({
  customerId: z.uuid(),
  paymentId: z.uuid(),
  amount: moneyJson,
  token: z.string(),
});
const cancelInput = z.object({ paymentId: z.uuid(), reason: z.string() });

/** The inputs as they are stored: JSON. */
export type PlaceInput = z.input<typeof placeInput>;
export type CancelInput = z.input<typeof cancelInput>;

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
        run: ({ input, subject: orderId, ...call }) =>
          charge(payments, { ...input, orderId, amount: moneyJson.parse(input.amount) }, call),
        undo: ({ input: { paymentId }, key, failure, ...call }) =>
          refundAll(payments, { paymentId, refundId: key, reason: failure.reason }, call),
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
    parse(input) {
      placeInput.parse(input);
      return input as PlaceInput;
    },
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
        run: ({ input: { paymentId, reason }, key, ...call }) =>
          refundAll(payments, { paymentId, refundId: key, reason }, call),
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
