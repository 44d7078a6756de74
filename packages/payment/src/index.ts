export { type BookEntry, BookReader, readBook } from "./book.ts";
export { envToConfig, type PaymentConfig, paymentSettings } from "./config.ts";
export { connectPaymentStore, migratePaymentStore, paymentDatabaseUrl } from "./connect-store.ts";
export { paymentFailpoints } from "./failpoints.ts";
export { refundedMinorUnits } from "./payment.ts";
export { createPaymentService, type PaymentOverrides } from "./payment-service.ts";
export {
  type PaymentProvider,
  type ProviderCharge,
  ProviderOutcomeUnknownError,
  ProviderRefusedError,
  ProviderUnavailableError,
} from "./provider.ts";
export { REFUNDS_WORK } from "./simulator.ts";
export type { PaymentStore } from "./store.ts";
