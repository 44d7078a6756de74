import { failpointNames } from "@tercet/service";
import type { PaymentProvider } from "./provider.ts";
import type { PaymentStore } from "./store.ts";

const methods = {
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

/**
 * Where this service can be made to fail: around each of its state changes and each call of the
 * provider.
 */
export const paymentFailpoints = failpointNames(methods);
