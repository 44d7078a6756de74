import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import * as grpcJs from "@grpc/grpc-js";
import { describe, expect, inject, test, vi } from "vitest";
import { catalogAt, connect1, gate, grpc, host, ordersAt, transports, until } from "./harness.ts";

const ORDER_ID = "0198a5a0-0000-7000-8000-000000000001";
const LIST = "/order.v1.CatalogService/ListProducts";
const never = new Promise<never>(() => {});
const bytes = (b: Buffer) => b;

/** Starts a service whose ListProducts waits for `release`. */
async function slow(drainTimeoutMs = 30_000) {
  const release = gate();
  const state = { entered: 0 };
  const shop = await host({
    config: { drainTimeoutMs },
    catalog: {
      listProducts: async () => {
        state.entered += 1;
        await release.opened;
        return { products: [{ sku: "TEA" }] };
      },
    },
  });
  return { shop, state, release: release.open };
}

test("calls in flight finish with success on every protocol, while new connections are refused", async () => {
  const { shop, state, release } = await slow();
  const agent = new http.Agent({ keepAlive: true });
  const keepAlive = new Promise<http.IncomingMessage>((resolve, reject) => {
    const request = http.request(
      shop.url + LIST,
      { agent, method: "POST", headers: { "content-type": "application/json" } },
      resolve,
    );
    request.on("error", reject).end("{}");
  });
  const names = Object.values(transports);
  const calls = names.map((transport) => catalogAt(transport(shop.url)).listProducts({}));
  await until(() => state.entered === names.length + 1);

  const drained = shop[Symbol.asyncDispose]();
  await until(() => refused(shop.port));
  release();
  for (const { products } of await Promise.all(calls)) expect(products[0]?.sku).toBe("TEA");
  const response = await keepAlive;
  expect(response.statusCode).toBe(200);
  response.resume();
  await drained;
  agent.destroy();
});

test("idle connections do not delay the close", async () => {
  const shop = await host({ config: { drainTimeoutMs: 30_000 } });
  const agent = new http.Agent({ keepAlive: true });
  const response = await new Promise<http.IncomingMessage>((resolve) =>
    http.get(`${shop.url}/health/live`, { agent }, resolve),
  );
  await once(response.resume(), "end");
  const session = http2.connect(shop.url);
  await once(session, "remoteSettings");
  await catalogAt(grpc(shop.url)).listProducts({});
  await catalogAt(connect1(shop.url)).listProducts({});
  const started = performance.now();
  await shop[Symbol.asyncDispose]();
  expect(performance.now() - started).toBeLessThan(1_000 * inject("timeFactor"));
  agent.destroy();
});

test("a connection that sends nothing, or late, does not delay the close", async () => {
  const shop = await host({
    config: { drainTimeoutMs: 30_000 },
    limits: { firstByteTimeoutMs: 300 },
  });
  const silent = connect(shop.port, "127.0.0.1");
  const late = connect(shop.port, "127.0.0.1");
  await Promise.all([once(silent, "connect"), once(late, "connect")]);
  late.write("PR");
  // Both are accepted once a third one is served.
  await fetch(`${shop.url}/health/live`);
  const started = performance.now();
  const drained = shop[Symbol.asyncDispose]();
  late.write(
    Buffer.concat([
      Buffer.from("I * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      Buffer.from("000000040000000000", "hex"),
    ]),
  );
  late.resume();
  await drained;
  expect(performance.now() - started).toBeLessThan(2_000 * inject("timeFactor"));
  silent.destroy();
});

test("a request on a keep-alive connection during the drain is served, then the connection is closed", async () => {
  const { shop, state, release } = await slow();
  const blocker = catalogAt(grpc(shop.url)).listProducts({});
  await until(() => state.entered === 1);
  const socket = connect(shop.port, "127.0.0.1");
  // Half a request makes the connection busy, so that the drain does not close it.
  socket.write("GET /health/live HTTP/1.1\r\nhost: x\r\n");
  await fetch(`${shop.url}/health/live`);
  const drained = shop[Symbol.asyncDispose]();
  await until(() => refused(shop.port));
  socket.write("\r\n");
  const response = String((await once(socket, "data"))[0]);
  expect(response).toContain("200 OK");
  expect(response.toLowerCase()).toContain("connection: close");
  release();
  await blocker;
  await drained;
});

describe("calls that do not end by themselves end at the drain timeout", () => {
  test.each([
    ["gRPC", grpc],
    ["Connect over HTTP/1.1", connect1],
  ])(
    "a stream over %s whose handler obeys the signal, and one whose handler ignores it",
    async (_name, transport) => {
      const entered = { count: 0 };
      const shop = await host({
        config: { drainTimeoutMs: 300 },
        orders: {
          async *watchOrder(_request, { signal }) {
            yield {};
            entered.count += 1;
            if (entered.count === 1) await once(signal, "abort");
            else await never;
          },
        },
      });
      const headers = { authorization: await shop.bearer("customer") };
      const watch = async () => {
        for await (const _ of ordersAt(transport(shop.url)).watchOrder(
          { orderId: ORDER_ID },
          { headers },
        ));
      };
      const watches = [watch(), watch()].map((w) => w.catch(ConnectError.from));
      await until(() => entered.count === 2);
      const started = performance.now();
      await shop[Symbol.asyncDispose]();
      expect(performance.now() - started).toBeGreaterThan(290);
      expect(performance.now() - started).toBeLessThan(2_000 * inject("timeFactor"));
      const ends = await Promise.all(watches);
      for (const end of ends) expect(end).toMatchObject({ code: Code.Unavailable });
    },
  );

  test("a unary call whose handler ignores the signal fails as retryable", async () => {
    const { shop, state } = await slow(200);
    const call = catalogAt(grpc(shop.url)).listProducts({}).catch(ConnectError.from);
    await until(() => state.entered === 1);
    await shop[Symbol.asyncDispose]();
    expect(await call).toMatchObject({ code: Code.Unavailable });
  });

  test("a peer that does not read cannot keep the process alive", async () => {
    // The Connect plugin reports a failed write to the console only.
    const complaint = vi.spyOn(console, "error").mockImplementation(() => {});
    const shop = await host({
      config: { drainTimeoutMs: 200 },
      orders: {
        async *watchOrder() {
          for (;;) yield { order: { id: "x".repeat(60_000) } };
        },
      },
    });
    const session = http2.connect(shop.url);
    const path = "/order.v1.OrderService/WatchOrder";
    const authorization = await shop.bearer("customer");
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      authorization,
    });
    session.on("error", () => {});
    stream.on("error", () => {});
    const id = Buffer.from(ORDER_ID);
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, id.length + 2, 10, id.length]), id]));
    await once(stream, "response");
    await shop[Symbol.asyncDispose]();
    session.destroy();
    complaint.mockRestore();
  });
});

test("disposing twice drains once, and runs each step once, in order", async () => {
  const steps: string[] = [];
  const shop = await host({
    options: {
      onReady: () => void steps.push("ready"),
      background: async (stopping) => {
        await once(stopping, "abort");
        steps.push("background ended");
      },
      onDrain: async () => void steps.push("drain"),
      onClose: async () => void steps.push("close"),
    },
  });
  await Promise.all([shop[Symbol.asyncDispose](), shop[Symbol.asyncDispose]()]);
  await shop[Symbol.asyncDispose]();
  expect(steps).toEqual(["ready", "drain", "background ended", "close"]);
});

test("a service that fails to start frees its port", async () => {
  const free = await host();
  await free[Symbol.asyncDispose]();
  const config = { port: free.port };
  const onReady = () => Promise.reject(new Error("no sagas today"));
  await expect(host({ config, options: { onReady } })).rejects.toThrow("no sagas today");
  await using next = await host({ config });
  expect(next.port).toBe(free.port);
});

test("connect-node and grpc-js reconnect to the next service on the same port", async () => {
  const first = await host();
  const transport = createGrpcTransport({ baseUrl: first.url });
  const foreign = new grpcJs.Client(
    `127.0.0.1:${first.port}`,
    grpcJs.credentials.createInsecure(),
    {
      "grpc.initial_reconnect_backoff_ms": 50,
    },
  );
  const foreignCall = () =>
    new Promise<number>((resolve) => {
      const options = { deadline: Date.now() + 10_000 };
      const metadata = new grpcJs.Metadata({ waitForReady: true });
      foreign.makeUnaryRequest(LIST, bytes, bytes, Buffer.alloc(0), metadata, options, (error) =>
        resolve(error?.code ?? 0),
      );
    });
  await catalogAt(transport).listProducts({});
  expect(await foreignCall()).toBe(0);
  await first[Symbol.asyncDispose]();
  await using second = await host({ config: { port: first.port } });
  expect(second.port).toBe(first.port);
  await catalogAt(transport).listProducts({});
  expect(await foreignCall()).toBe(0);
  foreign.close();
});

test("a process whose service is disposed ends by itself", async () => {
  const program = fileURLToPath(new URL("./disposed.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=source", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, "exit");
  expect({ code, output }).toEqual({ code: 0, output: "disposed\n" });
});

test("a process that gets SIGTERM while it starts does not wait for the start", async () => {
  const program = fileURLToPath(new URL("./starting.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=source", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("background work that does not end is forced to stop, then cut off within the drain timeout", async () => {
  let forced = false;
  const closed = vi.fn(async () => {});
  const onDrain = async (force: AbortSignal) => {
    await once(force, "abort");
    forced = true;
    await never;
  };
  const shop = await host({
    config: { drainTimeoutMs: 2_000 },
    options: { onDrain, onClose: closed },
  });
  const started = performance.now();
  await shop[Symbol.asyncDispose]();
  expect(performance.now() - started).toBeLessThan(2_000 * inject("timeFactor"));
  expect([forced, closed.mock.calls.length]).toEqual([true, 1]);
});

async function refused(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const outcome = await Promise.race([
    once(socket, "connect").then(() => false),
    once(socket, "error").then(() => true),
  ]).catch(() => true);
  socket.destroy();
  return outcome;
}
