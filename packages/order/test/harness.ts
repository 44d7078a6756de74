import {
  type CallOptions,
  type Client,
  Code,
  ConnectError,
  createClient,
} from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import type { OrderService } from "@tercet/gen/order/v1/order_service";
import type { SagaService } from "@tercet/gen/order/v1/saga_service";
import { createLogger, type Env } from "@tercet/service";
import { testDatabase, testTokens } from "@tercet/service/testing";
import { createOrderService, envToConfig } from "../src/index.ts";
import { createParticipant } from "./participant.ts";

type Definition = typeof CatalogService | typeof OrderService | typeof SagaService;

/**
 * Starts the order service on a database of its own, with a participant that fails on request. The
 * catalog has 1,000 pieces of TEA and none of RARE.
 */
export async function startOrderService(env: Env = {}) {
  const database = await testDatabase();
  const tokens = await testTokens();
  const participant = createParticipant();
  const config = envToConfig({
    HOST: "127.0.0.1",
    PORT: "0",
    CALLER_CALLS_PER_SECOND: "0",
    ADDRESS_CALLS_PER_SECOND: "0",
    MIN_WORKING_CALLS: "1000",
    DATABASE_URL: database.url,
    TOKEN_ISSUER: tokens.issuer,
    PAYMENT_URL: "http://127.0.0.1:1",
    IDENTITY_URL: "http://127.0.0.1:1",
    SERVICE_CLIENT_SECRET: "not used in this test",
    ...env,
  });
  const log = createLogger({ name: "order", level: "silent" });
  const service = await createOrderService(config, {
    keys: tokens.keys,
    log,
    payments: participant.client,
  });
  const sql = database.connect();

  const as = async <S extends Definition>(
    definition: S,
    sub: string,
    role: string,
    expiresIn = 600,
  ): Promise<Client<S>> => {
    const token = await tokens.sign({ sub, roles: [role], expiresIn });
    const transport = createConnectTransport({
      baseUrl: service.url,
      httpVersion: "2",
      interceptors: [
        (next) => (req) => {
          req.header.set("authorization", `Bearer ${token}`);
          return next(req);
        },
      ],
    });
    return createClient(definition, transport);
  };
  const catalog = await as(CatalogService, crypto.randomUUID(), "operator");
  const price = { currencyCode: "EUR", minorUnits: 500n };
  for (const [sku, stock] of [
    ["TEA", 1_000n],
    ["RARE", 0n],
  ] as const)
    await catalog.putProduct({
      requestId: crypto.randomUUID(),
      product: { sku, name: sku, price, stock },
    });
  return {
    url: service.url,
    participant,
    sql,
    as,
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await sql.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

/**
 * Makes a call whose reply is wanted before the order is settled. If a busy machine replies too
 * late, the call, which has a `request_id`, is repeated.
 */
export async function unsettled<T>(call: (options: CallOptions) => Promise<T>): Promise<T> {
  for (let left = 10; ; left--)
    try {
      return await call({ timeoutMs: 500 });
    } catch (error) {
      if (left === 0 || ConnectError.from(error).code !== Code.DeadlineExceeded) throw error;
    }
}

/** A request for a product, with a new `request_id`. */
export const wanted = (sku = "TEA", quantity = 1) => ({
  requestId: crypto.randomUUID(),
  items: [{ sku, quantity }],
  paymentMethod: { token: "tok_visa" },
});
