import type { ConnectRouter } from "@connectrpc/connect";
import { createSagaEngine, postgresSagaStore } from "@tercet/saga";
import { observeSagas, sagaEvents, sagaTracer } from "@tercet/saga/telemetry";
import {
  createLogger,
  createService,
  type Logger,
  logContext,
  openPostgres,
  pingPostgres,
  runSweeper,
  type Service,
  type TokenKeys,
  withFailpoints,
  withLogContext,
} from "@tercet/service";
import { catalogRoutes } from "./catalog-routes.ts";
import type { OrderConfig } from "./config.ts";
import { orderErrorCodes } from "./errors.ts";
import { createOrderChanges } from "./order-changes.ts";
import { orderRoutes } from "./order-routes.ts";
import { type PaymentClient, paymentClient } from "./payment-client.ts";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import { ProductCache } from "./product-cache.ts";
import { runRefundFeed } from "./refund-feed.ts";
import { orderSagas } from "./saga-paths.ts";
import { sagaRoutes } from "./saga-routes.ts";

const NAME = "order";

/** Replaces what the configuration would create. */
export interface OrderOverrides {
  readonly log?: Logger;
  readonly keys?: TokenKeys;
  readonly payments?: PaymentClient;
}

/** Starts the order service, its database's schema first. Disposing of the service drains it. */
export async function createOrderService(
  config: OrderConfig,
  overrides: OrderOverrides = {},
): Promise<Service> {
  const { failpoints } = config;
  const log = overrides.log ?? createLogger({ name: NAME, ...config.service.log });
  const sql = await openPostgres(NAME, config.databaseUrl, MIGRATIONS, config.service);
  const [work, lease] = [sql.priority("work"), sql.priority("lease")];
  const store = withFailpoints(failpoints, "order", postgresStore(sql, work));
  const payments = withFailpoints(
    failpoints,
    "payments",
    overrides.payments ?? paymentClient(config, log),
  );
  const products = new ProductCache(store);
  const changes = createOrderChanges(store, log);
  const sagaDeps = { orders: store, payments, times: config.saga };
  const sagas = orderSagas(sagaDeps);
  const definitions = Object.values(sagas);
  const subjectAttribute = "order.id";
  const observer = sagaEvents({ log, definitions, subjectAttribute, notify: changes.publish });
  const engine = createSagaEngine({
    store: withFailpoints(failpoints, "sagas", postgresSagaStore(work, lease)),
    definitions,
    observer,
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
    instance: config.saga.instance,
  });
  const metrics = observeSagas(sql, definitions, engine);
  return createService({
    name: NAME,
    config: config.service,
    log,
    routes: (router: ConnectRouter) => {
      catalogRoutes({ store })(router);
      orderRoutes({ sql, store, products, engine, observer, changes, ...sagas })(router);
      sagaRoutes({ sql, store, engine, observer, definitions })(router);
    },
    errors: orderErrorCodes,
    ...(overrides.keys && { keys: overrides.keys }),
    dependencies: { postgres: () => pingPostgres(sql) },
    backlogMs: () => sql.waitMs(),
    background: async (stopping) => {
      const refundFeed = { store, payments, changes, log, intervalMs: config.refundFeedIntervalMs };
      await Promise.all([
        runSweeper({ sweep: store.sweepRequests, log }, stopping),
        runRefundFeed(refundFeed, stopping),
      ]);
    },
    onReady: () => engine.start(),
    onDrain: async (force) => {
      await engine.stop(force);
      await changes[Symbol.asyncDispose]();
    },
    onClose: () => {
      metrics[Symbol.dispose]();
      return sql.end({ timeout: 1 });
    },
  });
}
