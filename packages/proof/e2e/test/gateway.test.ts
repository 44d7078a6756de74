import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:http2";
import { freePort } from "@tercet/cli";
import { type Engine, startEngine } from "@tercet/cluster";
import {
  type ConsoleServer,
  envToConfig as consoleConfig,
  SITE_HEADERS,
  startConsoleServer,
} from "@tercet/console-server";
import { type KongConfig, parseKongConfig } from "@tercet/gateway";
import type { Stack } from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bufCurl } from "./clients/buf-curl.ts";
import { connectGrpc, connectGrpcWeb } from "./clients/connect.ts";
import { connectGet, connectJson } from "./clients/connect-json.ts";
import { failure } from "./clients/failure.ts";
import { grpcJs } from "./clients/grpc-js.ts";
import { collect, type ShopClient, type Targets } from "./clients/shop.ts";
import { readSecrets } from "./forged-token.ts";
import { startKong as interpretKong, type Kong } from "./kong/kong.ts";
import { startKongImage } from "./kong/kong-image.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";

const config = parseKongConfig(
  await readFile(new URL("../../../../gateway/kong.yml", import.meta.url), "utf8"),
);

/** Kong's own image is started where this names it; else our interpreter of its configuration. */
const image = process.env["TEST_KONG_IMAGE"];
let engine: Engine | undefined;
const startKong = (
  routes: KongConfig,
  to: Readonly<Record<string, string>>,
  poolSize?: number,
): Promise<Kong> =>
  image === undefined || engine === undefined
    ? interpretKong(routes, to, poolSize)
    : startKongImage(engine, image, routes, to, poolSize);

let folder: TestFolder;
let stack: Stack;
let kong: Kong;
let consoleServer: ConsoleServer;
/** Where Kong finds what it routes to. */
let upstreams: Readonly<Record<string, string>>;
let operatorToken: string;

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder);
  consoleServer = await startConsoleServer(consoleConfig({ HOST: "127.0.0.1", PORT: "0" }));
  upstreams = { ...stack.urls, console: consoleServer.url };
  if (image !== undefined) engine = await startEngine();
  kong = await startKong(config, upstreams);
  using client = connectGrpc(stack.urls);
  ({ accessToken: operatorToken } = await client.shop().login(stack.users.olivia));
});
afterAll(async () => {
  await kong?.[Symbol.asyncDispose]();
  await engine?.[Symbol.asyncDispose]();
  await consoleServer?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const all = (url: string): Targets => ({ identity: url, order: url, payment: url });

/** It starts a process for each call. */

type Clients = readonly (readonly [string, () => ShopClient])[];

const clients: Clients = [
  ["gRPC (connect-node)", () => connectGrpc(all(kong.grpcUrl))],
  ["gRPC (@grpc/grpc-js)", () => grpcJs(all(kong.grpcUrl))],
  ["gRPC-Web (connect-web)", () => connectGrpcWeb(all(kong.url))],
  ["Connect JSON (fetch)", () => connectJson(kong.url)],
  ["Connect GET (fetch)", () => connectGet(kong.url)],
];
const commands: Clients = [
  // Kong does not expose reflection, so it reads the contracts from proto/.
  ["gRPC-Web (buf curl)", () => bufCurl("grpcweb", all(kong.url))],
  ["Connect (buf curl)", () => bufCurl("connect", all(kong.url))],
];

const newUser = () => ({
  email: `${crypto.randomUUID()}@example.com`,
  password: "correct horse battery",
  displayName: "Ada",
});
const mugs = (paymentToken: string) => ({
  requestId: crypto.randomUUID(),
  sku: "MUG-BLUE",
  quantity: 2,
  paymentToken,
});

describe.concurrent.each([...clients, ...commands])(
  "through Kong's routes, by %s",
  (_name, connectTo) => {
    test("a customer registers, orders, watches, cancels, and gets the money back", async () => {
      using client = connectTo();
      const user = newUser();
      await client.shop().register(user);
      const shop = client.shop((await client.shop().login(user)).accessToken);
      expect(
        (await shop.listProducts({ pageSize: 100, pageToken: "" })).products.map(({ sku }) => sku),
      ).toContain("MUG-BLUE");
      const order = mugs("tok_visa");
      const placed = await shop.createOrder(order);
      expect(placed).toMatchObject({ replayed: false });
      expect((await collect(shop.watchOrder(placed.id))).at(-1)?.status).toBe("CONFIRMED");
      expect(await shop.createOrder(order)).toMatchObject({
        id: placed.id,
        status: "CONFIRMED",
        replayed: true,
      });
      expect(await shop.cancelOrder(placed.id)).toMatchObject({ status: "CANCELLED" });
      expect(await shop.getOrder(placed.id)).toMatchObject({ status: "CANCELLED" });
      expect(await shop.listOrders()).toHaveLength(1);
      expect(await shop.getPayment(placed.paymentId)).toMatchObject({ status: "REFUNDED" });
      expect(await failure(client.shop().listOrders())).toEqual({
        code: "unauthenticated",
        reason: "UNAUTHENTICATED",
      });
    });
  },
);

// A command prints a stream when it ends.
describe.concurrent.each(clients)("through Kong's routes, by %s", (_name, connectTo) => {
  test("a stream tells what is, while it goes on", async () => {
    using client = connectTo();
    const user = newUser();
    await client.shop().register(user);
    const shop = client.shop((await client.shop().login(user)).accessToken);
    // It is not paid while the provider does not reply. Only the service knows the deadline, so
    // that its response cannot be late.
    const { id } = await shop.createOrder(mugs("tok_timeout"));
    for await (const { status } of shop.watchOrder(id)) {
      expect(status).toBe("PENDING");
      break;
    }
    expect(await shop.getOrder(id)).toMatchObject({ status: "PENDING" });
  });
});

describe.each([
  ["Kong", () => kong.url],
  ["the edge", () => stack.urls.edge],
])("as plain HTTP, through %s", (_name, urlOf) => {
  const post = (path: string, body: object) =>
    fetch(`${urlOf()}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });

  test("one registers, logs in, asks who one is, refreshes and logs out under /auth", async () => {
    const { email, password, displayName } = newUser();
    const registered = await post("/auth/register", {
      email,
      password,
      displayName,
      requestId: crypto.randomUUID(),
    });
    const { id } = (await registered.json()) as { id: string };
    const { accessToken, refreshToken } = await json(
      await post("/auth/login", { email, password }),
    );
    const me = await fetch(`${urlOf()}/auth/me`, {
      headers: { authorization: `Bearer ${accessToken}` },
    });
    expect(await json(me)).toMatchObject({ id, email, roles: ["ROLE_CUSTOMER"] });
    expect((await fetch(`${urlOf()}/auth/me`)).status).toBe(401);
    const refreshed = await json(await post("/auth/refresh", { refreshToken }));
    expect(refreshed["accessToken"]).toMatch(/^ey/);
    expect(
      await json(await post("/auth/logout", { refreshToken: refreshed["refreshToken"] })),
    ).toEqual({});
    expect((await post("/auth/refresh", { refreshToken: refreshed["refreshToken"] })).status).toBe(
      401,
    );
    expect((await fetch(`${urlOf()}/auth/login`)).status).toBe(404);
  });

  test("services' tokens and revocations are not routed", async () => {
    const { orderClientSecret: clientSecret } = await readSecrets(stack);
    const service = { clientId: "order", clientSecret, audience: "payment" };
    for (const path of ["/auth/token", "/identity.v1.IdentityService/IssueServiceToken"])
      expect((await post(path, service)).status).toBe(404);
    expect((await fetch(`${urlOf()}/revocations`)).status).toBe(404);
  });

  test("verifiers find the keys", async () => {
    const { keys } = (await (await fetch(`${urlOf()}/.well-known/jwks.json`)).json()) as {
      keys: object[];
    };
    expect(keys).toContainEqual(expect.objectContaining({ kty: "EC", alg: "ES256" }));
    expect((await fetch(`${urlOf()}/.well-known/openid-configuration`)).status).toBe(200);
  });
});

const json = async (answer: Response): Promise<Record<string, string>> => {
  expect(answer.status).toBe(200);
  return (await answer.json()) as Record<string, string>;
};

test.each([
  "/identity.v1.IdentityService/ListUsers",
  "/identity.v1.IdentityService/SetRoles",
  "/identity.v1.IdentityService/DisableUser",
  "/identity.v1.IdentityService/IssuePasswordReset",
  "/order.v1.CatalogService/PutProduct",
  "/order.v1.CatalogService/AdjustStock",
  "/order.v1.SagaService/ListSagas",
  "/order.v1.SagaService/CompensateSaga",
  "/order.v1.OrderService/../order.v1.SagaService/ListSagas",
  "/order.v1.OrderService/GetOrder/%2e%2e/%2e%2e/order.v1.SagaService/ListSagas",
  "/payment.v1.PaymentService/ProcessPayment",
  "/payment.v1.PaymentService/RefundPayment",
  "/payment.v1.PaymentService/ListPayments",
  "/grpc.health.v1.Health/Check",
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
  "/health/ready",
  "/metrics",
  "/lab",
  "/lab/sign-in",
])("%s is not there, not even for an operator", async (path) => {
  const headers = { authorization: `Bearer ${operatorToken}`, "content-type": "application/json" };
  for (const method of ["GET", "POST"]) {
    const asked = request(`${kong.url}`, { method, path, headers });
    const [answer] = await once(asked.end(method === "POST" ? "{}" : undefined), "response");
    expect(answer.resume().statusCode).toBe(404);
  }
  expect(await overHttp2(path, { ...headers, "content-type": "application/grpc" })).toMatchObject({
    ":status": 404,
    "grpc-status": "5",
    "grpc-message": "NotFound",
  });
});

/** The headers of the response to an empty message. */
async function overHttp2(
  path: string,
  headers: Record<string, string>,
): Promise<Record<string, unknown>> {
  const session = connect(kong.grpcUrl);
  try {
    const [answer] = await once(
      session.request({ ":method": "POST", ":path": path, ...headers }).end(Buffer.alloc(5)),
      "response",
    );
    return answer;
  } finally {
    session.close();
  }
}

describe.each([
  ["Kong", () => kong.url],
  ["the edge", () => stack.urls.edge],
])("the console, through %s", (_name, urlOf) => {
  const BROWSER = { headers: { accept: "text/html,application/xhtml+xml" } };

  test("is the same page and the same policy", async () => {
    for (const path of ["/", "/account", "/orders/01a2210e-c5c7-755a-b46a-c34f7b0201ec", "/docs"]) {
      const answer = await fetch(`${urlOf()}${path}`, BROWSER);
      expect(answer.status, path).toBe(200);
      expect(answer.headers.get("content-type"), path).toContain("text/html");
      for (const [name, value] of Object.entries(SITE_HEADERS))
        expect(answer.headers.get(name), `${name} of ${path}`).toBe(value);
      expect(await answer.text(), path).toContain('<div id="root">');
    }
  });

  test("has its scripts and styles, compressed, for a year", async () => {
    const page = await (await fetch(urlOf(), BROWSER)).text();
    const files = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, file]) => file);
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) {
      const answer = await fetch(`${urlOf()}${file}`, { headers: { "accept-encoding": "br" } });
      expect(answer.status, file).toBe(200);
      expect(answer.headers.get("content-encoding"), file).toBe("br");
      expect(answer.headers.get("cache-control"), file).toContain("immutable");
      expect((await answer.text()).length, file).toBeGreaterThan(100);
    }
  });
});

test("behind Kong the console says that operators' methods are not there", async () => {
  expect(await (await fetch(`${kong.url}/console.json`)).json()).toEqual({ operators: false });
});

const LIST = "/order.v1.CatalogService/ListProducts";
const list = (url: string, init: RequestInit = {}) =>
  fetch(`${url}${LIST}`, {
    method: "POST",
    body: "{}",
    ...init,
    headers: { "content-type": "application/json", ...init.headers },
  });

describe("pages of another origin", () => {
  const preflight = (url: string, path: string, origin: string) =>
    fetch(`${url}${path}`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST" },
    });

  test.each([LIST, "/auth/login", "/auth/me"])(
    "may call %s if a service's CORS_ORIGINS lists it",
    async (path) => {
      const allowed = await preflight(kong.url, path, "http://localhost:5173");
      expect(allowed.status).toBe(204);
      expect(allowed.headers.get("access-control-allow-origin")).toBe("http://localhost:5173");
      expect(allowed.headers.get("access-control-allow-headers")).toMatch(
        /\bauthorization\b.*\bx-correlation-id\b/,
      );
      const refused = await preflight(kong.url, path, "http://evil.example");
      expect(refused.headers.get("access-control-allow-origin")).toBeNull();
    },
  );

  test("read what a client needs", async () => {
    const answer = await list(kong.url, { headers: { origin: "http://localhost:5173" } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("access-control-allow-origin")).toBe("http://localhost:5173");
    for (const name of [
      "grpc-status",
      "grpc-message",
      "idempotent-replayed",
      "retry-after",
      "x-correlation-id",
    ])
      expect(answer.headers.get("access-control-expose-headers")?.toLowerCase()).toContain(name);
  });

  test("may not call by the default of production, not even from localhost", async () => {
    const order = await stack.startReplica("order", { CORS_ORIGINS: "" });
    await using production = await startKong(config, { ...upstreams, order: order.url });
    const origin = "http://localhost:3000";
    const refused = await preflight(production.url, LIST, origin);
    expect(refused.ok).toBe(false);
    const answer = await list(production.url, { headers: { origin } });
    for (const { headers } of [refused, answer])
      expect(headers.get("access-control-allow-origin")).toBeNull();
  });
});

test("every answer has a correlation id, and says to browsers what they may not do", async () => {
  const given = await list(kong.url, { headers: { "x-correlation-id": "abc-1" } });
  expect(given.headers.get("x-correlation-id")).toBe("abc-1");
  const own = await list(kong.url);
  expect(own.headers.get("x-correlation-id")).toMatch(/^[0-9a-f-]{36}$/);
  expect(own.headers.get("strict-transport-security")).toMatch(/^max-age=31536000/);
  expect(own.headers.get("x-content-type-options")).toBe("nosniff");
  expect(own.headers.get("server")).toBeNull();
});

test("a body of more than 64 KiB is refused before a service is asked", async () => {
  const padded = (bytes: number) => list(kong.url, { body: `{}${" ".repeat(bytes - 2)}` });
  expect((await padded(65_536)).status).toBe(200);
  const refused = await padded(65_537);
  expect(refused.status).toBe(413);
  expect(await refused.json()).toEqual({
    message: "Request size limit exceeded",
    request_id: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
  // Only the gateway reports this.
  expect(refused.headers.get("x-correlation-id")).toMatch(/^[0-9a-f-]{36}$/);
});

test("gRPC over HTTP/1.1 is refused, with the protocol to use", async () => {
  const answer = await list(kong.url, { headers: { "content-type": "application/grpc" } });
  expect(answer.status).toBe(426);
});

test("a client that tries too many tokens is limited on every path, and others at its address can still read", async () => {
  // It has its own counts.
  await using another = await startKong(config, upstreams);
  const guess = (path: string) =>
    fetch(`${another.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"refreshToken":"x"}',
    });
  const paths = ["/auth/refresh", "/identity.v1.IdentityService/Refresh"];
  const answers: Response[] = [];
  // A minute of the clock may end meanwhile, and up to 59 requests be forgotten. Counted
  // separately, each path would allow 60 of these.
  for (let i = 0; i < 120 && answers.at(-1)?.status !== 429; i++)
    answers.push(await guess(paths[i % 2] ?? ""));
  expect(answers[0]?.status).toBe(400);
  expect(answers.at(-1)?.status).toBe(429);
  expect(Number(answers.at(-1)?.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(answers.length).toBeGreaterThan(60);
  expect((await list(another.url)).status).toBe(200);
});

test("a service that is away is the gateway's to tell, by both protocols", async () => {
  await using another = await startKong(config, {
    ...upstreams,
    order: `http://127.0.0.1:${await freePort()}`,
  });
  const answer = await list(another.url);
  expect(answer.status).toBe(502);
  expect(answer.headers.get("x-correlation-id")).toMatch(/./);
  using client = connectGrpc(all(another.grpcUrl));
  expect(await failure(client.shop().listProducts({ pageSize: 1, pageToken: "" }))).toMatchObject({
    code: "unavailable",
  });
});

describe("a service's HTTP and gRPC at one address", () => {
  /** As it was before gRPC had ports of its own. */
  const oneAddress = {
    ...config,
    services: config.services.map((service) => ({
      ...service,
      port: config.services.find(({ host }) => host === service.host)?.port ?? 0,
    })),
  };
  type Protocol = "gRPC" | "JSON";

  /** Makes these calls one after the other, and returns those that failed. */
  async function failures(
    routes: KongConfig,
    calls: readonly Protocol[],
    poolSize?: number,
  ): Promise<Protocol[]> {
    await using another = await startKong(routes, upstreams, poolSize);
    const failed: Protocol[] = [];
    for (const by of calls) if (!(await succeeds(another, by))) failed.push(by);
    return failed;
  }

  async function succeeds({ url, grpcUrl }: Kong, by: Protocol): Promise<boolean> {
    if (by === "JSON") return (await (await list(url)).text()).startsWith("{");
    using client = connectGrpc(all(grpcUrl));
    return await client
      .shop()
      .listProducts({ pageSize: 1, pageToken: "" })
      .then(
        () => true,
        () => false,
      );
  }

  test("would share idle connections, and break each other's calls", async () => {
    expect(await failures(oneAddress, ["gRPC", "JSON"])).toEqual(["JSON"]);
    expect(await failures(oneAddress, ["JSON", "gRPC"])).toEqual(["gRPC"]);
  });

  test("works without the pool", async () => {
    expect(await failures(oneAddress, ["gRPC", "JSON", "gRPC", "JSON"], 0)).toEqual([]);
  });

  test("is not in gateway/kong.yml: mixed calls succeed with the pool", async () => {
    expect(await failures(config, ["gRPC", "JSON", "JSON", "gRPC"])).toEqual([]);
    const calls = Array.from({ length: 40 }, (_, i) =>
      succeeds(kong, i % 2 === 0 ? "gRPC" : "JSON"),
    );
    expect(await Promise.all(calls)).not.toContain(false);
  });
});

test("our interpreter refuses a configuration with something that it does not understand", async () => {
  const repeating = {
    ...config,
    services: config.services.map((service) => ({ ...service, retries: 1 })),
  };
  await expect(interpretKong(repeating, upstreams)).rejects.toThrow("retries of identity");
  await expect(interpretKong(config, { identity: stack.urls.identity })).rejects.toThrow(
    "no upstream for order",
  );
});
