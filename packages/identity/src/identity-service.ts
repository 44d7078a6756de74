import { createLogger, createService, type Logger, type Service } from "@tercet/service";
import type { IdentityConfig } from "./config.ts";
import { discoveryRoutes } from "./discovery.ts";
import { identityErrorCodes } from "./errors.ts";
import { identityEvents } from "./events.ts";
import { keepHouse } from "./housekeeping.ts";
import { importSigningKeys } from "./keys.ts";
import { memoryStore } from "./memory-store.ts";
import { createPasswords } from "./password.ts";
import { openPostgresStore } from "./postgres-store.ts";
import { identityRoutes } from "./routes.ts";
import { seedUsers } from "./seed.ts";
import type { IdentityStore } from "./store.ts";
import { accessTokens } from "./tokens.ts";

export interface IdentityOverrides {
  /** Closed with the service. */
  readonly store?: IdentityStore;
  readonly log?: Logger;
}

/** The service, ready to be called. Disposing of it drains it. */
export async function createIdentityService(
  config: IdentityConfig,
  overrides: IdentityOverrides = {},
): Promise<Service> {
  const log = overrides.log ?? createLogger({ name: "identity", ...config.service.log });
  const keys = await importSigningKeys(config.signing);
  const passwords = await createPasswords({ queue: config.passwordQueue });
  const { issuer, audience } = config.service.token;
  await using opened = new AsyncDisposableStack();
  const store = opened.use(overrides.store ?? (await openStore(config)));
  await seedUsers(store, passwords, config.seedUsers);
  const stop = new AbortController();
  let housekeeping: Promise<void> | undefined;

  const service = await createService({
    name: "identity",
    config: config.service,
    log,
    errors: identityErrorCodes,
    keys: keys.verifyWith,
    routes: identityRoutes({
      store,
      passwords,
      tokens: accessTokens(keys, { issuer, audience, lifetime: config.accessTokenLifetime }),
      clients: config.clients,
      events: identityEvents(log),
      sessionLifetime: config.sessionLifetime,
    }),
    http: discoveryRoutes(keys, issuer),
    dependencies: { [config.store.kind]: (signal) => store.ping(signal) },
    onReady: () => {
      housekeeping = keepHouse(store, log, stop.signal);
    },
    onDrain: async () => {
      stop.abort();
      await housekeeping;
    },
    onClose: async () => await store[Symbol.asyncDispose](),
  });
  // From here on the service closes the store.
  opened.move();
  return service;
}

async function openStore({
  store,
  service: { databasePoolSize, migrateAtStart },
}: IdentityConfig): Promise<IdentityStore> {
  if (store.kind === "memory") return memoryStore();
  return await openPostgresStore(store.url, { poolSize: databasePoolSize, migrateAtStart });
}
