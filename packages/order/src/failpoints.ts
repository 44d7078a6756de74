import type { SagaStore } from "@tercet/saga";
import { failpointNames } from "@tercet/service";
import type { OrderStore } from "./order-store.ts";
import type { PaymentClient } from "./payments.ts";

const methods = {
  order: [
    "insertOrder",
    "confirmOrders",
    "closeOrders",
    "restockOrders",
    "reflectMoves",
    "intervene",
    "cancelConfirmed",
  ],
  sagas: ["heartbeat", "claimDue", "move", "release"],
  payments: ["processPayment", "refundPayment"],
} as const satisfies {
  order: readonly (keyof OrderStore)[];
  sagas: readonly (keyof SagaStore)[];
  payments: readonly (keyof PaymentClient)[];
};

/** Where this service can be made to fail: around each of its state changes and remote calls. */
export const orderFailpoints = failpointNames(methods);
