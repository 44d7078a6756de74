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
import { createLogger, type Env, readEnv } from "@tercet/service";
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
  const databaseUrls = await databases(starting, folder.path);
  const key = await generateSigningKey();
  const common = (name: Provider): Env => ({
    HOST: "127.0.0.1",
    PORT: "0",
    TOKEN_ISSUER: "http://identity.test",
    DATABASE_URL: databaseUrls[name],
    // Pact sends no deadline, and an order must be settled by the response, even on a slow machine.
    DEFAULT_TIMEOUT_MS: "30000",
  });
  const log = (name: Provider) => createLogger({ name, level: "silent" });

  const identityEnv = {
    ...common("identity"),
    TOKEN_SIGNING_KEYS: JSON.stringify({ keys: [key] }),
    SERVICE_CLIENTS: JSON.stringify([
      { id: "order", secretHash: hashClientSecret(ORDER_SECRET), audiences: ["payment"] },
    ]),
    SEED_USERS: JSON.stringify([{ ...OPERATOR, displayName: "Olivia", roles: ["operator"] }]),
  };
  const identity = starting.use(
    await createIdentityService(identityConfig(identityEnv), { log: log("identity") }),
  );
  const keys = { JWKS_URL: `${identity.url}/.well-known/jwks.json` };
  // The caller abandons an open charge soon; the reconciler must not while pacts are verified.
  const times = { PROVIDER_TIMEOUT_MS: "1000", RECONCILE_AFTER_MS: "600000" };
  const paymentEnv = {
    ...common("payment"),
    ...keys,
    ...times,
    PROVIDER_BOOK_DIR: join(folder.path, "book"),
  };
  const payment = starting.use(
    await createPaymentService(paymentConfig(paymentEnv), { log: log("payment") }),
  );
  const peers = {
    PAYMENT_URL: payment.url,
    IDENTITY_URL: identity.url,
    SERVICE_CLIENT_SECRET: ORDER_SECRET,
  };
  const orderEnv = { ...common("order"), ...keys, ...peers };
  const order = starting.use(
    await createOrderService(orderConfig(orderEnv), { log: log("order") }),
  );

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
): Promise<Record<Provider, string>> {
  const server = readEnv()["TEST_POSTGRES_URL"] ?? (await ownServer(starting, folder));
  const run = crypto.randomUUID().slice(0, 8);
  const names = providers.map((name) => `contracts_${name}_${run}`);
  await ensureDatabases(server, names);
  const urls = names.map((name) => Object.assign(new URL(server), { pathname: `/${name}` }).href);
  return Object.fromEntries(providers.map((name, i) => [name, urls[i] ?? ""])) as Record<
    Provider,
    string
  >;
}

async function ownServer(starting: AsyncDisposableStack, folder: string): Promise<string> {
  const server = starting.use(
    await startPostgres({ folder: join(folder, "postgres"), port: await freePort() }),
  );
  return server.databaseUrl("postgres");
}
