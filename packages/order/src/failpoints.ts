import type { SagaStore } from "@tercet/saga";
import { failpointNames } from "@tercet/service";
import type { PaymentClient } from "./payment-client.ts";
import type { OrderStore } from "./store.ts";

const methods = {
  order: [
    "insertOrder",
    "confirmOrders",
    "closeOrders",
    "restockOrders",
    "reflectMoves",
    "intervene",
    "cancelConfirmed",
    "recordRefunds",
  ],
  // `register` happens before a process has anything to lose.
  sagas: ["heartbeat", "claimDue", "move", "release"],
  payments: ["processPayment", "refundPayment", "listRefundedPayments"],
} as const satisfies {
  order: readonly (keyof OrderStore)[];
  sagas: readonly (keyof SagaStore)[];
  payments: readonly (keyof PaymentClient)[];
};

/** The failpoints: before and after each state change and each remote call. */
export const orderFailpoints = failpointNames(methods);
