import {
  createLogger,
  createService,
  type Logger,
  type Service,
  type TokenKeys,
  withFailpoints,
} from "@tercet/service";
import type { PaymentConfig } from "./config.ts";
import { openPaymentStore } from "./connect-store.ts";
import { paymentErrorCodes } from "./errors.ts";
import { observedProvider } from "./observed-provider.ts";
import type { PaymentProvider } from "./provider.ts";
import { runReconciler } from "./reconciler.ts";
import { paymentRoutes } from "./routes.ts";
import { Simulator } from "./simulator.ts";

/** Instead of what the configuration makes. */
export interface PaymentOverrides {
  readonly log?: Logger;
  readonly keys?: TokenKeys;
  readonly provider?: PaymentProvider;
}

/**
 * Starts the payment service on a schema that is up to date. Disposing of the service drains it.
 */
export async function createPaymentService(
  config: PaymentConfig,
  overrides: PaymentOverrides = {},
): Promise<Service> {
  const log = overrides.log ?? createLogger({ name: "payment", ...config.service.log });
  const provider = observedProvider(
    withFailpoints(
      config.failpoints,
      "provider",
      overrides.provider ?? (await Simulator.open(config.simulator)),
    ),
  );
  const store = withFailpoints(
    config.failpoints,
    "store",
    await openPaymentStore(config.database, config.service),
  );
  const payments = {
    store,
    provider,
    log,
    providerTimeoutMs: config.providerTimeoutMs,
    unattendedMs: config.reconciler.afterMs,
  };
  const stopping = new AbortController();
  let reconciler: Promise<void> = Promise.resolve();
  return createService({
    name: "payment",
    config: config.service,
    log,
    routes: paymentRoutes(payments),
    errors: paymentErrorCodes,
    ...(overrides.keys && { keys: overrides.keys }),
    dependencies: { [config.database.kind]: (signal) => store.ping(signal) },
    onReady: () => {
      reconciler = runReconciler(payments, config.reconciler, stopping.signal);
    },
    onDrain: async () => {
      stopping.abort();
      await reconciler;
    },
    onClose: async () => store[Symbol.asyncDispose](),
  });
}
