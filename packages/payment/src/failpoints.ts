import { failpointNames } from "@tercet/service";
import type { PaymentProvider } from "./provider.ts";
import type { PaymentStore } from "./store.ts";

const METHODS = {
  store: [
    "open",
    "settle",
    "abandon",
    "void",
    "recordLateCharge",
    "reserveRefund",
    "settleRefund",
    "markAttempted",
    "keepWatch",
  ],
  provider: ["charge", "refund", "find"],
} as const satisfies {
  store: readonly (keyof PaymentStore)[];
  provider: readonly (keyof PaymentProvider)[];
};

/** Failpoints: around each state change of the store and each call of the provider. */
export const paymentFailpoints = failpointNames(METHODS);
