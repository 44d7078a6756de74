import type { ConnectRouter } from "@connectrpc/connect";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { SagaService } from "@tercet/gen/order/v1/saga_service";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";
import { createSagaEngine, postgresSagaStore } from "@tercet/saga";
import { observeSagas, sagaEvents, sagaTracer } from "@tercet/saga/telemetry";
import {
  connectPostgres,
  createLogger,
  createService,
  createServiceClient,
  logContext,
  pingPostgres,
  prepareSchema,
  type Service,
  type ServiceOptions,
  serviceToken,
  withFailpoints,
  withLogContext,
} from "@tercet/service";
import { catalogRoutes } from "./catalog-routes.ts";
import type { OrderConfig } from "./config.ts";
import { orderErrorCodes } from "./errors.ts";
import { MIGRATIONS } from "./migrations.ts";
import { orderRoutes } from "./order-routes.ts";
import { createOrderStore } from "./order-store.ts";
import type { PaymentClient } from "./payments.ts";
import { sagaRoutes } from "./saga-routes.ts";
import { cancelOrderSaga, placeOrderSaga } from "./sagas.ts";
import { createOrderWatch } from "./watch.ts";

const NAME = "order";

/** What tests put in the place of what the configuration names. */
export type OrderOverrides = Partial<Pick<ServiceOptions, "keys" | "log">> & {
  readonly payments?: PaymentClient;
};

export async function createOrderService(
  config: OrderConfig,
  overrides: OrderOverrides = {},
): Promise<Service> {
  const log = overrides.log ?? createLogger({ name: NAME, ...config.service.log });
  await prepareSchema(config.databaseUrl, MIGRATIONS, config.service.migrateAtStart);
  const sql = connectPostgres(config.databaseUrl, {
    applicationName: NAME,
    max: config.service.databasePoolSize,
  });
  const [work, lease] = [sql.priority("work"), sql.priority("lease")];
  const watch = createOrderWatch(work, log);
  const orders = withFailpoints(config.failpoints, "order", createOrderStore(sql, work));
  const payments = withFailpoints(
    config.failpoints,
    "payments",
    overrides.payments ?? paymentClient(config),
  );
  const sagaDependencies = { orders, payments, times: config.saga };
  const placeOrder = placeOrderSaga(sagaDependencies);
  const cancelOrder = cancelOrderSaga(sagaDependencies);
  const definitions = [placeOrder, cancelOrder];
  const subjectAttribute = "order.id";
  const engine = createSagaEngine({
    store: withFailpoints(config.failpoints, "sagas", postgresSagaStore(work, lease)),
    definitions,
    observer: sagaEvents({ log, definitions, subjectAttribute, notify: watch.notify }),
    tracer: sagaTracer({
      subjectAttribute,
      origin: () => {
        const { correlationId } = logContext();
        return correlationId === undefined ? {} : { correlationId };
      },
      inContext: ({ subject, origin }, work) =>
        withLogContext({ orderId: subject, correlationId: origin["correlationId"] }, work),
    }),
    stepTimeoutMs: config.saga.stepTimeoutMs,
    leaseMs: config.saga.leaseMs,
  });
  const metrics = observeSagas(sql, definitions, engine);
  return createService({
    name: NAME,
    config: config.service,
    log,
    ...(overrides.keys !== undefined && { keys: overrides.keys }),
    errors: orderErrorCodes,
    routes: (router: ConnectRouter) =>
      router
        .service(CatalogService, catalogRoutes(sql))
        .service(OrderService, orderRoutes({ sql, orders, engine, watch, placeOrder, cancelOrder }))
        .service(SagaService, sagaRoutes({ sql, orders, engine, definitions })),
    dependencies: { postgres: () => pingPostgres(sql) },
    onReady: () => engine.start(),
    onDrain: async (hurry) => {
      await engine.stop(hurry);
      await watch[Symbol.asyncDispose]();
    },
    onClose: () => {
      metrics[Symbol.dispose]();
      return sql.end({ timeout: 1 });
    },
  });
}

/**
 * The saga is the one layer that tries again: it knows what an unknown outcome means, and keeps
 * count.
 */
export function paymentClient({
  paymentUrl,
  identityUrl,
  clientSecret,
  saga,
}: OrderConfig): PaymentClient {
  const token = serviceToken({ identityUrl, clientId: NAME, clientSecret, audience: "payment" });
  return createServiceClient(PaymentService, {
    baseUrl: paymentUrl,
    token,
    timeoutMs: saga.stepTimeoutMs,
    maxAttempts: 1,
  });
}
