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

/** Replaces what the configuration would create. */
export interface PaymentOverrides {
  readonly log?: Logger;
  readonly keys?: TokenKeys;
  readonly provider?: PaymentProvider;
}

/** Starts the payment service, its database's schema first. Disposing of the service drains it. */
export async function createPaymentService(
  config: PaymentConfig,
  overrides: PaymentOverrides = {},
): Promise<Service> {
  const { database, service, failpoints, reconciler: schedule } = config;
  const log = overrides.log ?? createLogger({ name: "payment", ...service.log });
  const simulated = overrides.provider ?? (await Simulator.open(config.simulator));
  const provider = observedProvider(withFailpoints(failpoints, "provider", simulated));
  const opened = await openPaymentStore(database.url, service);
  const store = withFailpoints(failpoints, "store", opened);
  const { providerTimeoutMs, refundFeedDelayMs } = config;
  const idleMs = schedule.afterMs;
  const deps = { store, provider, log, providerTimeoutMs, idleMs, refundFeedDelayMs };
  return createService({
    name: "payment",
    config: service,
    log,
    routes: paymentRoutes(deps),
    errors: paymentErrorCodes,
    ...(overrides.keys && { keys: overrides.keys }),
    dependencies: {
      [database.kind]: (signal) => store.ping(signal),
      provider: (signal) => provider.ping(signal),
    },
    background: (stopping) => runReconciler(deps, schedule, stopping),
    onClose: async () => store[Symbol.asyncDispose](),
  });
}
