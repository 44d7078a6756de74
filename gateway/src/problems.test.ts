import { readFileSync } from "node:fs";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { SagaService } from "@tercet/gen/order/v1/saga_service";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";
import { describe, expect, test } from "vitest";
import { addressProblems, composeAliases } from "./addresses.ts";
import { kongConfig, kongYaml } from "./kong.ts";
import { parseKongConfig } from "./kong-config.ts";
import { kongEnvProblems, parseEnvFile } from "./kong-env.ts";
import { gatewayProblems } from "./problems.ts";

const services = [IdentityService, CatalogService, OrderService, SagaService, PaymentService];
const committed = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
const text = committed("kong.yml");
const config = parseKongConfig(text);

test("what is committed is what is made, and has no problem", () => {
  expect(text).toBe(kongYaml(services));
  expect(config).toEqual(kongConfig(services));
  expect(gatewayProblems(config, services)).toEqual([]);
});

test("what customers may call is routed, and what only operators, administrators and services may is not", () => {
  for (const name of ["Login", "GetMe", "CreateOrder", "WatchOrder", "GetPayment"])
    expect(text).toContain(`Service/${name}$`);
  for (const name of [
    "ListUsers",
    "SetRoles",
    "DisableUser",
    "IssuePasswordReset",
    "PutProduct",
    "AdjustStock",
    "Saga",
    "ProcessPayment",
    "RefundPayment",
    "ListPayments",
    "ListRefundedPayments",
  ])
    expect(text).not.toContain(name);
});

const GET_ORDER = "~/order\\.v1\\.OrderService/GetOrder$";

test.each([
  [
    "a method is forgotten",
    GET_ORDER,
    "~/order\\.v1\\.OrderService/GetOrders$",
    /GetOrder \(application\/json\) is not routed/,
  ],
  [
    "a route points at nothing",
    GET_ORDER,
    "~/order\\.v1\\.OrderService/GetOrders$",
    /order-reads: there is nothing at ~\/order/,
  ],
  [
    "a rewrite points at nothing",
    "uri: /identity.v1.IdentityService/Login",
    "uri: /identity.v1.IdentityService/LogIn",
    /auth-login: there is nothing/,
  ],
  ["an operator's method is let in", GET_ORDER, "~/order\\.v1\\.[A-Za-z]+/GetOrder$", undefined],
  [
    "an operator's method is routed",
    GET_ORDER,
    "~/order\\.v1\\.SagaService/ListSagas$",
    /SagaService\/ListSagas is for the inside/,
  ],
  [
    "health is routed",
    GET_ORDER,
    "~/health/ready$",
    /health\/ready is for the inside, and order-reads/,
  ],
  ["a service is somewhere else", "host: order", "host: payment", /goes to payment:5011/],
  [
    "gRPC is called where HTTP is",
    "port: 50050",
    "port: 5011",
    /GetOrder \(application\/grpc\) goes to order:5011/,
  ],
  [
    "reads are by POST only",
    "methods: [GET, POST, OPTIONS]",
    "methods: [POST, OPTIONS]",
    /GET .*GetMe \(no body\) is not routed/,
  ],
  [
    "the gateway asks again",
    "port: 5011\n    retries: 0",
    "port: 5011\n    retries: 1",
    /is asked again by the gateway/,
  ],
  [
    "an answer is not waited for",
    "read_timeout: 35000",
    "read_timeout: 30000",
    /is given up too early/,
  ],
  [
    "a stream is not waited for",
    "read_timeout: 3600000",
    "read_timeout: 35000",
    /WatchOrder .* is given up too early/,
  ],
  [
    "a stream is held back",
    "response_buffering: false",
    "response_buffering: true",
    /WatchOrder .* is a stream, and held back/,
  ],
])("it is a problem when %s", (_what, before, after, problem) => {
  expect(text).toContain(before);
  const wrong = () => gatewayProblems(parseKongConfig(text.replace(before, after)), services);
  // A pattern for more than one path is refused by the parser.
  if (problem === undefined) expect(wrong).toThrow("is not the whole of a path");
  else expect(wrong()).toContainEqual(expect.stringMatching(problem));
});

describe("HTTP and gRPC at one address", () => {
  const env = parseEnvFile(committed("kong.env"));
  const compose = readFileSync(new URL("../../infra/compose.yaml", import.meta.url), "utf8");
  const changed = (before: string | RegExp, after: string) =>
    parseKongConfig(text.replaceAll(before, after));

  test("are not in what is committed", () => {
    expect(addressProblems(config, env, composeAliases(compose))).toEqual([]);
  });

  test("are found, whatever the two are called", () => {
    const problem =
      "order (http) and order-grpc (grpc) are both at order:5011, and would share idle connections";
    const found = [expect.stringContaining(problem)];
    const onePort = "port: 5011";
    expect(addressProblems(changed("port: 50050", onePort), env)).toEqual(found);
    const grpcAt = (host: string) =>
      changed(/host: order\n {4}port: 50050/g, `host: ${host}\n    ${onePort}`);
    for (const host of ["order.", "order.tercet.svc", "order.tercet.svc.cluster.local"])
      expect(addressProblems(grpcAt(host), env), host).toEqual(found);
    const aliases = composeAliases(
      "services: { order: { networks: { front: { aliases: [order-grpc] }, data: } } }",
    );
    expect(addressProblems(grpcAt("order-grpc"), env, aliases)).toEqual(found);
    expect(addressProblems(grpcAt("order-grpc"), env)).toEqual([]);
  });

  test("are allowed without a pool of idle connections", () => {
    const without = new Map(env).set("KONG_UPSTREAM_KEEPALIVE_POOL_SIZE", "0");
    expect(addressProblems(changed("port: 50050", "port: 5011"), without)).toEqual([]);
  });
});

test("a service without an upstream is an error", () => {
  const elsewhere = { ...CatalogService, typeName: "stock.v1.CatalogService" };
  const methods = CatalogService.methods.map((method) => ({ ...method, parent: elsewhere }));
  expect(() => kongConfig([{ ...elsewhere, methods }] as never)).toThrow(
    "names no upstream for stock",
  );
});

test("Kong's own settings load the plugins that are used, and close what is for its operators", () => {
  const env = parseEnvFile(committed("kong.env"));
  expect(kongEnvProblems(env, config)).toEqual([]);
  const open = new Map(env).set("KONG_ADMIN_LISTEN", "0.0.0.0:8001").set("KONG_PLUGINS", "bundled");
  expect(kongEnvProblems(open, config)).toEqual([
    expect.stringMatching(/^KONG_PLUGINS must be /),
    "KONG_ADMIN_LISTEN must be 127.0.0.1:8001",
  ]);
  env.delete("KONG_HEADERS");
  env.delete("KONG_DNS_VALID_TTL");
  expect(kongEnvProblems(env, config)).toEqual([
    "KONG_HEADERS must be off",
    "KONG_DNS_VALID_TTL must be 10",
  ]);
});
