import { type Client, createClient, type ServiceImpl, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { z } from "zod";
import { parseEnv, readEnv, type ServiceConfig, serviceConfig, serviceEnv } from "../src/config.ts";
import type { PortLimits } from "../src/host/one-port.ts";
import { createService, type Service, type ServiceOptions } from "../src/host/service.ts";
import { createLogger } from "../src/telemetry/log.ts";
import { type TestTokens, testTokens } from "../src/testing.ts";

/** A line of the service's log. */
export type LogLine = Record<string, unknown>;

export interface Host extends AsyncDisposable {
  readonly service: Service;
  readonly url: string;
  readonly port: number;
  readonly tokens: TestTokens;
  readonly log: readonly LogLine[];
  /** Returns the `authorization` header of a user with these roles. */
  bearer(...roles: string[]): Promise<string>;
}

export interface HostSettings {
  readonly catalog?: Partial<ServiceImpl<typeof CatalogService>>;
  readonly orders?: Partial<ServiceImpl<typeof OrderService>>;
  readonly identity?: Partial<ServiceImpl<typeof IdentityService>>;
  readonly config?: Partial<ServiceConfig>;
  readonly limits?: Partial<PortLimits>;
  readonly options?: Partial<ServiceOptions>;
}

export const testConfig = (overrides: Partial<ServiceConfig> = {}): ServiceConfig => ({
  ...serviceConfig(
    parseEnv("test", z.object(serviceEnv(0)), {
      HOST: "127.0.0.1",
      TOKEN_ISSUER: "http://issuer.test",
      LOG_LEVEL: "debug",
      // Tests of other limits make many calls from one address.
      CALLER_CALLS_PER_SECOND: "0",
      ADDRESS_CALLS_PER_SECOND: "0",
      MIN_WORKING_CALLS: "1000",
      FAST_PATH: readEnv()["FAST_PATH"],
    }),
  ),
  ...overrides,
});

/** Starts a real service of our own contracts, with the test's handlers. */
export async function host(settings: HostSettings = {}): Promise<Host> {
  const tokens = await testTokens();
  const log: LogLine[] = [];
  const config = testConfig({ drainTimeoutMs: 1_000, ...settings.config });
  const service = await createService({
    name: "shop",
    config: { ...config, limits: { ...config.limits, ...settings.limits } },
    log: createLogger(
      { name: "shop", level: config.log.level },
      { write: (line) => void log.push(JSON.parse(line)) },
    ),
    routes: (router) =>
      router
        .service(CatalogService, {
          listProducts: () => ({ products: [{ sku: "TEA", name: "Tea" }] }),
          ...settings.catalog,
        })
        .service(OrderService, settings.orders ?? {})
        .service(IdentityService, settings.identity ?? {}),
    errors: {},
    keys: tokens.keys,
    ...settings.options,
  });
  return {
    service,
    url: service.url,
    port: service.port,
    tokens,
    log,
    bearer: async (...roles) => `Bearer ${await tokens.sign({ sub: "user-1", roles })}`,
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

/** All transports of connect-node. */
export const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "gRPC over HTTP/2": (baseUrl) => createGrpcTransport({ baseUrl }),
  "gRPC-Web over HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  "gRPC-Web over HTTP/2": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  "Connect binary over HTTP/1.1": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect binary over HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
  "Connect JSON over HTTP/1.1": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "Connect JSON over HTTP/2": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
  "Connect GET over HTTP/1.1": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true }),
  "Connect GET over HTTP/2": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "2", useHttpGet: true }),
};

export const grpc = (baseUrl: string): Transport => createGrpcTransport({ baseUrl });
export const connect1 = (baseUrl: string): Transport =>
  createConnectTransport({ baseUrl, httpVersion: "1.1" });

export const catalogAt = (transport: Transport): Client<typeof CatalogService> =>
  createClient(CatalogService, transport);
export const ordersAt = (transport: Transport): Client<typeof OrderService> =>
  createClient(OrderService, transport);
export const identityAt = (transport: Transport): Client<typeof IdentityService> =>
  createClient(IdentityService, transport);

/** A promise for handlers to wait for, so that tests wait for conditions and not for time. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/** Resolves when the condition holds; the test's own timeout is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
