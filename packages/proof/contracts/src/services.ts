import { join } from "node:path";
import { freePort, temporaryFolder } from "@tercet/cli";
import {
  createIdentityService,
  generateSigningKey,
  hashClientSecret,
  envToConfig as identityConfig,
} from "@tercet/identity";
import { createOrderService, envToConfig as orderConfig } from "@tercet/order";
import { createPaymentService, envToConfig as paymentConfig } from "@tercet/payment";
import { atDatabase, createLogger, type Env, readEnv } from "@tercet/service";
import { ensureDatabases, startPostgres } from "@tercet/stack";

export const ORDER_SECRET = "known-to-the-order-service-only";
export const OPERATOR = { email: "olivia@example.com", password: "the operator's password" };

export const providers = ["identity", "order", "payment"] as const;
export type Provider = (typeof providers)[number];

/** The three services as in production, connected to each other, each on a new database. */
export interface Services extends AsyncDisposable {
  readonly urls: Readonly<Record<Provider, string>>;
}

export async function startServices(): Promise<Services> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(await temporaryFolder("contracts"));
  const databaseUrl = await databases(starting, folder.path);
  const common = (name: Provider): Env => ({
    HOST: "127.0.0.1",
    PORT: "0",
    CALLER_CALLS_PER_SECOND: "0",
    ADDRESS_CALLS_PER_SECOND: "0",
    MIN_WORKING_CALLS: "1000",
    TOKEN_ISSUER: "http://identity.test",
    DATABASE_URL: databaseUrl(name),
    // Pact sends no deadline, and an order must be settled by the response, even on a slow machine.
    DEFAULT_TIMEOUT_MS: "30000",
  });
  const log = createLogger({ name: "contracts", level: "silent" });

  const identityEnv = {
    ...common("identity"),
    TOKEN_SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
    SERVICE_CLIENTS: JSON.stringify([
      { id: "order", secretHash: hashClientSecret(ORDER_SECRET), audiences: ["payment"] },
    ]),
    SEED_USERS: JSON.stringify([{ ...OPERATOR, displayName: "Olivia", roles: ["operator"] }]),
  };
  const identity = starting.use(await createIdentityService(identityConfig(identityEnv), { log }));
  const JWKS_URL = `${identity.url}/.well-known/jwks.json`;
  const paymentEnv = {
    ...common("payment"),
    JWKS_URL,
    PROVIDER_BOOK_DIR: join(folder.path, "book"),
    // The caller abandons an open charge soon; the reconciler must not while pacts are verified.
    PROVIDER_TIMEOUT_MS: "1000",
    RECONCILE_AFTER_MS: "600000",
  };
  const payment = starting.use(await createPaymentService(paymentConfig(paymentEnv), { log }));
  const orderEnv = {
    ...common("order"),
    JWKS_URL,
    PAYMENT_URL: payment.url,
    IDENTITY_URL: identity.url,
    SERVICE_CLIENT_SECRET: ORDER_SECRET,
  };
  const order = starting.use(await createOrderService(orderConfig(orderEnv), { log }));

  const running = starting.move();
  return {
    urls: { identity: identity.url, order: order.url, payment: payment.url },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Creates databases on the tests' server if there is one, else on an embedded one. */
async function databases(
  starting: AsyncDisposableStack,
  folder: string,
): Promise<(name: Provider) => string> {
  const embedded = async () => {
    const options = {
      folder: join(folder, "postgres"),
      port: await freePort(),
      password: crypto.randomUUID(),
    };
    return starting.use(await startPostgres(options)).databaseUrl("postgres");
  };
  const server = readEnv()["TEST_POSTGRES_URL"] ?? (await embedded());
  const run = crypto.randomUUID().slice(0, 8);
  const database = (name: Provider) => `contracts_${name}_${run}`;
  await ensureDatabases(server, providers.map(database));
  return (name) => atDatabase(server, database(name));
}
