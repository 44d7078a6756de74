import { once } from "node:events";
import http2 from "node:http2";
import { connect } from "node:net";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@tercet/gen/grpc/health/v1/health";
import { afterEach, describe, expect, inject, onTestFinished, test } from "vitest";
import { notFound, reasonOf } from "../src/errors.ts";
import { END_HEADERS, frame, HEADERS, hpack, post, rawPeer } from "./frames.ts";
import {
  catalogAt,
  connect1,
  gate,
  grpc,
  type Host,
  type HostSettings,
  host,
  ordersAt,
  testConfig,
  transports,
  until,
} from "./harness.ts";

const ORDER_ID = "0198a5a0-0000-7000-8000-000000000001";
const never = new Promise<never>(() => {});

let shop: Host;
afterEach(() => shop[Symbol.asyncDispose]());

async function start(
  rates: { caller?: number; address?: number },
  settings: HostSettings = {},
  working = { minWorking: 16, maxWorking: 1_024 },
) {
  const { caller: callerPerSecond = 0, address: addressPerSecond = 0 } = rates;
  const limits = { callerPerSecond, addressPerSecond, ...working };
  const config = testConfig({ admission: limits });
  shop = await host({ ...settings, config: { ...config, ...settings.config } });
}

const bearer = async (sub: string, role = "customer") => ({
  authorization: `Bearer ${await shop.tokens.sign({ sub, roles: [role] })}`,
});

interface Outcome {
  readonly code: string;
  readonly reason: string | undefined;
  readonly retryAfter: string | null;
  readonly ms: number;
}

async function outcomeOf(call: () => Promise<unknown>): Promise<Outcome> {
  const started = performance.now();
  const ended = () => performance.now() - started;
  try {
    await call();
    return { code: "ok", reason: undefined, retryAfter: null, ms: ended() };
  } catch (cause) {
    const error = ConnectError.from(cause);
    const retryAfter = error.metadata.get("retry-after");
    return { code: Code[error.code] ?? "", reason: reasonOf(error), retryAfter, ms: ended() };
  }
}

const count = (outcomes: readonly Outcome[], code: string) =>
  outcomes.filter((outcome) => outcome.code === code).length;

describe("the rate of a caller", () => {
  test.each(Object.entries(transports))(
    "is refused above its limit with a hint, over %s; others are served",
    async (_name, transport: (url: string) => Transport) => {
      await start({ caller: 5 }, { orders: { getOrder: () => ({}) } });
      const orders = ordersAt(transport(shop.url));
      const call = async (sub: string) => {
        const headers = await bearers.get(sub);
        return outcomeOf(() => orders.getOrder({ orderId: ORDER_ID }, { headers: headers ?? {} }));
      };
      const bearers = new Map([
        ["greedy", bearer("greedy")],
        ["modest", bearer("modest")],
      ]);
      const outcomes: Outcome[] = [];
      for (let n = 0; n < 20; n++) outcomes.push(await call("greedy"));
      const refused = outcomes.find(({ code }) => code !== "ok");
      expect(refused).toMatchObject({
        code: "ResourceExhausted",
        reason: "RATE_LIMITED",
        retryAfter: "1",
      });
      expect(count(outcomes, "ok")).toBeGreaterThanOrEqual(10);
      expect((await call("modest")).code).toBe("ok");
    },
  );

  test("reaches gRPC's clients as headers that end the stream", async () => {
    await start({ address: 1 });
    const session = http2.connect(shop.url);
    onTestFinished(() => session.destroy());
    const call = async () => {
      const stream = session.request(
        {
          ":method": "POST",
          ":path": "/order.v1.OrderService/GetOrder",
          "content-type": "application/grpc",
        },
        { endStream: false },
      );
      const [headers, flags] = await once(stream.end(Buffer.alloc(5)), "response");
      return { status: headers["grpc-status"], flags };
    };
    let refused = await call();
    while (refused.status !== String(Code.ResourceExhausted)) refused = await call();
    expect(refused.flags & http2.constants.NGHTTP2_FLAG_END_STREAM).not.toBe(0);
  });

  test.each([true, false])(
    "counts a call that finds nothing once, fast path %s",
    async (fastPath) => {
      const getOrder = () => {
        throw notFound("order");
      };
      await start({ caller: 5 }, { config: { fastPath }, orders: { getOrder } });
      const headers = await bearer("seeker");
      const orders = ordersAt(grpc(shop.url));
      const find = () => outcomeOf(() => orders.getOrder({ orderId: ORDER_ID }, { headers }));
      // Of ten tokens a call that finds nothing takes six.
      expect((await find()).code).toBe("NotFound");
      expect((await find()).code).toBe("NotFound");
    },
  );

  test("changes cost five times as much: 400 orders of one customer are not taken", async () => {
    let placed = 0;
    const createOrder = () => {
      placed += 1;
      return {};
    };
    await start({ caller: 50 }, { orders: { createOrder } });
    const headers = await bearer("greedy");
    const orders = ordersAt(grpc(shop.url));
    const request = () => ({
      requestId: crypto.randomUUID(),
      items: [{ sku: "TEA", quantity: 1 }],
      paymentMethod: { token: "tok_visa" },
    });
    // Its token is known from now on.
    await orders.createOrder(request(), { headers });
    const started = performance.now();
    const outcomes = await Promise.all(
      Array.from({ length: 400 }, () =>
        outcomeOf(() => orders.createOrder(request(), { headers })),
      ),
    );
    const allowed = 20 + ((performance.now() - started) / 1_000) * 10;
    expect(placed - 1).toBeLessThanOrEqual(Math.ceil(allowed));
    expect(count(outcomes, "ok")).toBe(placed - 1);
  });

  test("ids that do not exist cost more: 1,000 guesses get few answers", async () => {
    let guesses = 0;
    const getOrder = () => {
      guesses += 1;
      throw new ConnectError("order not found", Code.NotFound);
    };
    await start({ caller: 50 }, { orders: { getOrder } });
    const headers = await bearer("guesser");
    const orders = ordersAt(connect1(shop.url));
    const started = performance.now();
    for (let n = 0; n < 1_000; n++)
      await outcomeOf(() => orders.getOrder({ orderId: crypto.randomUUID() }, { headers }));
    const elapsed = (performance.now() - started) / 1_000;
    // A burst of 100 tokens, 6 for each, and 50 more a second.
    expect(guesses).toBeLessThanOrEqual(1 + 18 + Math.ceil((elapsed * 50) / 6));
  });
});

test("a call over HTTP/2 is refused when its body has come, or a moment later", async () => {
  await start({ address: 1 });
  const catalog = catalogAt(grpc(shop.url));
  await until(async () => (await outcomeOf(() => catalog.listProducts({}))).code !== "ok");
  const { socket, frames } = await rawPeer(shop.port);
  const path = "/order.v1.CatalogService/ListProducts";
  const started = performance.now();
  socket.write(frame(HEADERS, END_HEADERS, 1, hpack(post(path))));
  await until(() => frames.some(({ type, stream }) => type === HEADERS && stream === 1));
  // Too many clients that are refused before would reset their streams, and lose the connection.
  expect(performance.now() - started).toBeGreaterThan(90);
  socket.destroy();
});

test("callers without a token share the rate of their address", async () => {
  await start({ address: 5 });
  const catalog = catalogAt(grpc(shop.url));
  const outcomes: Outcome[] = [];
  for (let n = 0; n < 20; n++) outcomes.push(await outcomeOf(() => catalog.listProducts({})));
  expect(count(outcomes, "ResourceExhausted")).toBeGreaterThan(0);
  // A known caller at that address is served.
  await catalog.listProducts({}, { headers: await bearer("someone") }).catch(() => {});
  for (let n = 0; n < 3; n++) expect((await fetch(`${shop.url}/health/ready`)).status).toBe(200);
});

test("a customer's streams are limited, and one that ends makes room", async () => {
  await start(
    {},
    {
      orders: {
        async *watchOrder() {
          yield {};
          await never;
        },
      },
    },
  );
  const headers = await bearer("watcher");
  const orders = ordersAt(grpc(shop.url));
  const open = async () => {
    const end = new AbortController();
    const stream = orders.watchOrder({ orderId: ORDER_ID }, { headers, signal: end.signal });
    const messages = stream[Symbol.asyncIterator]();
    const outcome = await outcomeOf(() => messages.next());
    return { ...outcome, end: () => end.abort() };
  };
  const streams = [];
  for (let n = 0; n < 120; n++) streams.push(await open());
  expect(count(streams, "ok")).toBe(16);
  expect(streams.at(-1)).toMatchObject({ code: "ResourceExhausted", reason: "RATE_LIMITED" });
  for (const stream of streams) stream.end();
  await until(async () => (await open()).code === "ok");
});

test.each([
  ["HTTP/1.1", connect1],
  ["HTTP/2", grpc],
] as const)(
  "more calls at work than the limit are refused at once with a hint over %s; health and other services are served",
  async (_name, transport: (url: string) => Transport) => {
    const release = gate();
    const listProducts = async () => {
      await release.opened;
      return {};
    };
    await start({}, { catalog: { listProducts } }, { minWorking: 4, maxWorking: 4 });
    const catalog = catalogAt(transport(shop.url));
    const outcomes: Outcome[] = [];
    const calls = Array.from({ length: 40 }, async () =>
      outcomes.push(await outcomeOf(() => catalog.listProducts({}))),
    );
    await until(() => outcomes.length > 30);
    expect(outcomes[0]).toMatchObject({
      code: "Unavailable",
      reason: "OVERLOADED",
      retryAfter: "1",
    });
    expect(new Set(outcomes.map(({ code }) => code))).toEqual(new Set(["Unavailable"]));
    const health = createClient(Health, grpc(shop.url));
    const headers = await bearer("order", "service");
    const orders = ordersAt(transport(shop.url));
    for (let n = 0; n < 20; n++) {
      expect((await health.check({})).status).toBe(Status.SERVING);
      // Admitted: this method is not for services, which is for the gate to say.
      const call = await outcomeOf(() => orders.getOrder({ orderId: ORDER_ID }, { headers }));
      expect(call.code).toBe("PermissionDenied");
    }
    release.open();
    await Promise.all(calls);
    expect(count(outcomes, "ok")).toBeGreaterThan(0);
    await until(async () => (await outcomeOf(() => catalog.listProducts({}))).code === "ok");
  },
);

test("fewer calls are let in while work waits inside the service", async () => {
  let waitMs = 0;
  let release = gate();
  const listProducts = async () => {
    await release.opened;
    return {};
  };
  const options = { backlogMs: () => waitMs };
  await start({}, { catalog: { listProducts }, options }, { minWorking: 4, maxWorking: 1_024 });
  const catalog = catalogAt(grpc(shop.url));
  /** Resolves to how many of 40 calls at once are refused, once the others are at work. */
  const refused = async () => {
    release = gate();
    const outcomes: Outcome[] = [];
    const calls = Array.from({ length: 40 }, async () =>
      outcomes.push(await outcomeOf(() => catalog.listProducts({}))),
    );
    await catalogAt(connect1(shop.url))
      .listProducts({}, { timeoutMs: 300 })
      .catch(() => {});
    release.open();
    await Promise.all(calls);
    return count(outcomes, "Unavailable");
  };
  expect(await refused()).toBe(0);
  waitMs = 500;
  await until(async () => (await refused()) > 20);
  waitMs = 0;
  await until(async () => (await refused()) === 0);
});

test("1,000 pipelined calls on one connection leave room for another caller's", async () => {
  const release = gate();
  let inside = 0;
  let most = 0;
  const listProducts = async () => {
    most = Math.max(most, ++inside);
    await release.opened;
    inside -= 1;
    return {};
  };
  await start({ address: 50 }, { catalog: { listProducts }, orders: { getOrder: () => ({}) } });
  const head =
    "POST /order.v1.CatalogService/ListProducts HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
  const socket = connect(shop.port, "127.0.0.1");
  socket.on("error", () => {});
  const begun = performance.now();
  socket.write(head.repeat(1_000));
  await until(() => inside > 0);
  const headers = await bearer("other");
  const orders = ordersAt(grpc(shop.url));
  const started = performance.now();
  // The first call of a token counts for its address.
  await until(
    async () =>
      (await outcomeOf(() => orders.getOrder({ orderId: ORDER_ID }, { headers }))).code === "ok",
  );
  expect(performance.now() - started).toBeLessThan(2_000 * inject("timeFactor"));
  // Its burst, and what came back meanwhile.
  expect(most).toBeLessThanOrEqual(100 + 50 * Math.ceil((performance.now() - begun) / 1_000));
  release.open();
  socket.destroy();
});
