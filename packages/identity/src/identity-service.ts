import {
  createLogger,
  createService,
  type Logger,
  openPostgres,
  runSweeper,
  type Service,
} from "@tercet/service";
import { attemptLimits } from "./attempt-limits.ts";
import type { IdentityConfig } from "./config.ts";
import { discoveryRoutes } from "./discovery.ts";
import { identityErrorCodes } from "./errors.ts";
import * as events from "./events.ts";
import { importSigningKeys } from "./keys.ts";
import { memoryStore } from "./memory-store.ts";
import { createPasswords } from "./password.ts";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import { revocationFeed } from "./revocation-feed.ts";
import { identityRoutes } from "./routes.ts";
import { seedUsers } from "./seed.ts";
import type { IdentityStore } from "./store.ts";
import { accessTokens } from "./tokens.ts";

/** Replaces what the configuration would create. */
export interface IdentityOverrides {
  readonly log?: Logger;
  /** Closed with the service. */
  readonly store?: IdentityStore;
}

/** More than the tabs of a browser that starts, and far fewer than a thief would like. */
const REFRESH_RETRIES = { perKey: 20, inAll: 100_000, windowMs: 10_000 };

/** Starts the identity service, its database's schema first. Disposing of the service drains it. */
export async function createIdentityService(
  config: IdentityConfig,
  overrides: IdentityOverrides = {},
): Promise<Service> {
  const { clients, sessionLifetimeMs, accessTokenLifetimeSeconds: lifetimeSeconds } = config;
  const { issuer, audience } = config.service.token;
  const log = overrides.log ?? createLogger({ name: "identity", ...config.service.log });
  const keys = await importSigningKeys(config.signing);
  const published = keys.published.keys.map(({ kid }) => kid);
  events.signingKeysLoaded(log, keys.header.kid ?? keys.header.alg, published);
  const passwords = await createPasswords({ queue: config.passwordQueue });
  const limits = {
    logins: attemptLimits(config.limits.logins),
    registrations: attemptLimits(config.limits.registrations),
    refreshRetries: attemptLimits(REFRESH_RETRIES),
  };
  const tokens = accessTokens(keys, { issuer, audience, lifetimeSeconds });
  await using opened = new AsyncDisposableStack();
  const store = opened.use(overrides.store ?? (await openStore(config)));
  const feed = revocationFeed(store, keys, issuer);
  await seedUsers(store, passwords, config.seedUsers);
  const service = await createService({
    name: "identity",
    config: config.service,
    log,
    routes: identityRoutes({ store, passwords, limits, tokens, clients, log, sessionLifetimeMs }),
    errors: identityErrorCodes,
    keys: keys.verifyWith,
    revocations: feed.source,
    http: (app) => {
      discoveryRoutes(keys, issuer)(app);
      feed.routes(app);
    },
    dependencies: { [config.store.kind]: (signal) => store.ping(signal) },
    background: (stopping) => runSweeper({ sweep: (limit) => store.sweep(limit), log }, stopping),
    onClose: async () => store[Symbol.asyncDispose](),
  });
  // From here on the service closes the store.
  opened.move();
  return service;
}

async function openStore({ store, service }: IdentityConfig): Promise<IdentityStore> {
  if (store.kind === "memory") return memoryStore();
  return postgresStore(await openPostgres("identity", store.url, MIGRATIONS, service));
}
