import {
  createLogger,
  createService,
  type Logger,
  openPostgres,
  pingPostgres,
  runSweeper,
  type Service,
  type TokenKeys,
  withFailpoints,
} from "@tercet/service";
import type { AcmeConfig } from "./config.ts";
import { acmeErrorCodes } from "./errors.ts";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import { acmeRoutes } from "./routes.ts";

const NAME = "acme";

/** Replaces what the configuration would create. */
export interface AcmeOverrides {
  readonly log?: Logger;
  readonly keys?: TokenKeys;
}

/** Starts the acme service, its database's schema first. Disposing of the service drains it. */
export async function createAcmeService(
  config: AcmeConfig,
  overrides: AcmeOverrides = {},
): Promise<Service> {
  const log = overrides.log ?? createLogger({ name: NAME, ...config.service.log });
  const sql = await openPostgres(NAME, config.databaseUrl, MIGRATIONS, config.service);
  const opened = postgresStore(sql, sql.priority("work"));
  const store = withFailpoints(config.failpoints, "store", opened);
  return createService({
    name: NAME,
    config: config.service,
    log,
    routes: acmeRoutes({ store, log }),
    errors: acmeErrorCodes,
    ...(overrides.keys && { keys: overrides.keys }),
    dependencies: { postgres: () => pingPostgres(sql) },
    background: (stopping) => runSweeper({ sweep: store.sweepRequests, log }, stopping),
    onClose: () => sql.end({ timeout: 1 }),
  });
}
