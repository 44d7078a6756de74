import { execFile } from "node:child_process";
import { once } from "node:events";
import { type IncomingMessage, request, type ServerResponse } from "node:http";
import http2, { type ClientHttp2Stream, type IncomingHttpHeaders } from "node:http2";
import { createServer } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { promisify } from "node:util";
import { Code, type ConnectRouter, createClient, type Transport } from "@connectrpc/connect";
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { freePort } from "@tercet/cli";
import { Health } from "@tercet/gen/grpc/health/v1/health";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { afterEach, beforeEach, describe, expect, inject, test } from "vitest";
import { recordOf, serviceNames } from "./config.ts";
import { edgeBefore, serve } from "./edge.testing.ts";
import { type Edge, startEdge } from "./edge.ts";

const ORDER = "/order.v1.OrderService/CreateOrder";
const ORDER_ID = "0198a5a0-0000-7000-8000-000000000001";
const GRPC = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };

let opened: AsyncDisposableStack;
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

const edgeOf = async (...[listener, options]: Parameters<typeof edgeBefore>) =>
  opened.use(await edgeBefore(listener, options));

/** A session that ends with the test. */
function sessionTo({ url }: Edge): http2.ClientHttp2Session {
  const session = http2.connect(url);
  session.on("error", () => {});
  opened.defer(() => session.destroy());
  return session;
}

/** Resolves when a stream has closed, also by an error. */
const closed = (stream: ClientHttp2Stream) =>
  new Promise((resolve) =>
    stream
      .on("error", () => {})
      .once("close", resolve)
      .resume(),
  );

const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "gRPC over HTTP/2": (baseUrl) => createGrpcTransport({ baseUrl }),
  "gRPC-Web over HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  "gRPC-Web over HTTP/2": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  "Connect over HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect over HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
};

describe.each(Object.entries(transports))("%s", (_name, transport) => {
  const seconds = Promise.withResolvers<void>();
  const routes = (router: ConnectRouter) =>
    router
      .service(CatalogService, { listProducts: () => ({ products: [{ sku: "TEA" }] }) })
      .service(OrderService, {
        async *watchOrder({ orderId }) {
          yield { order: { id: orderId, status: OrderStatus.PENDING } };
          await seconds.promise;
          yield { order: { id: orderId, status: OrderStatus.CONFIRMED } };
        },
      });

  test("a unary call, an error, and a stream message by message", async () => {
    const handler = connectNodeAdapter({ routes });
    const edge = await edgeOf((incoming, response) => handler(incoming as never, response));
    const catalog = createClient(CatalogService, transport(edge.url));
    expect((await catalog.listProducts({})).products.map(({ sku }) => sku)).toEqual(["TEA"]);
    const orders = createClient(OrderService, transport(edge.url));
    await expect(orders.getOrder({})).rejects.toMatchObject({
      code: Code.Unimplemented,
      rawMessage: expect.stringContaining("order.v1.OrderService.GetOrder"),
    });
    const statuses: (OrderStatus | undefined)[] = [];
    for await (const { order } of orders.watchOrder({ orderId: ORDER_ID })) {
      statuses.push(order?.status);
      seconds.resolve();
    }
    expect(statuses).toEqual([OrderStatus.PENDING, OrderStatus.CONFIRMED]);
  });

  test("a service that is down, and a method that is not here, in words", async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const upstreams = recordOf(serviceNames, () => nowhere);
    const edge = opened.use(await startEdge({ port: 0, upstreams }));
    const orders = createClient(OrderService, transport(edge.url));
    const down = {
      code: Code.Unavailable,
      rawMessage: "the order service cannot be reached at the moment; try again",
    };
    await expect(orders.getOrder({})).rejects.toMatchObject(down);
    const watched = orders.watchOrder({ orderId: ORDER_ID })[Symbol.asyncIterator]();
    await expect(watched.next()).rejects.toMatchObject(down);
    const health = createClient(Health, transport(edge.url));
    await expect(health.check({})).rejects.toMatchObject({
      code: Code.Unimplemented,
      rawMessage: expect.stringContaining("at the services' own ports"),
    });
  });

  test("a frozen service: the call ends at its deadline", async () => {
    const edge = await edgeOf(() => {});
    const orders = createClient(OrderService, transport(edge.url));
    const call = orders.getOrder({}, { timeoutMs: 300 });
    await expect(call).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  });
});

describe("a deadline, where the client itself does not end the call,", () => {
  /** Accepts connections, and reads and writes nothing: a process that is stopped. */
  async function frozen(): Promise<Edge> {
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      opened.defer(() => void socket.destroy());
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    opened.defer(() => void server.close());
    const { port } = server.address() as { port: number };
    const order = `http://127.0.0.1:${port}`;
    const edge = await startEdge({
      port: 0,
      upstreams: recordOf(serviceNames, () => order),
    });
    return opened.use(edge);
  }
  const late = { code: "deadline_exceeded", message: "the order service did not respond in time" };
  const soon = async <T>(work: Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work;
    expect(performance.now() - started).toBeLessThan(1_500 * inject("timeFactor"));
    return result;
  };

  test("ends Connect's unary call with 504", async () => {
    const edge = await frozen();
    const response = await soon(
      fetch(edge.url + ORDER, {
        method: "POST",
        headers: { "content-type": "application/json", "connect-timeout-ms": "300" },
        body: "{}",
      }),
    );
    expect(response.status).toBe(504);
    expect(await response.json()).toEqual(late);
  });

  test("ends Connect's stream with the error at its end", async () => {
    const edge = await frozen();
    const response = await soon(
      fetch(`${edge.url}/order.v1.OrderService/WatchOrder`, {
        method: "POST",
        headers: { "content-type": "application/connect+json", "connect-timeout-ms": "300" },
        body: Buffer.from("\0\0\0\0\x02{}"),
      }),
    );
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/connect+json");
    const body = Buffer.from(await response.arrayBuffer());
    expect(body.readUInt8()).toBe(2);
    expect(JSON.parse(body.subarray(5).toString())).toEqual({ error: late });
  });

  test.each([
    ["application/grpc", "300m"],
    ["application/grpc-web+proto", "300000u"],
  ])("ends %s with its status in the headers", async (type, timeout) => {
    const edge = await frozen();
    const stream = sessionTo(edge).request(
      { ...GRPC, "content-type": type, ":path": ORDER, "grpc-timeout": timeout },
      { endStream: false },
    );
    const [headers, flags] = await soon(once(stream.end(Buffer.alloc(5)), "response"));
    expect(headers).toMatchObject({
      ":status": 200,
      "content-type": type,
      "grpc-status": "4",
      "grpc-message": expect.stringContaining("did%20not%20respond"),
    });
    // Otherwise a client takes them for metadata.
    expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).not.toBe(0);
  });

  test("ends a response that has begun: gRPC by its trailers, others by a reset", async () => {
    const edge = await edgeOf((_request, response) => {
      response.setHeader("content-type", "application/grpc");
      response.write("begun");
    });
    const ask = (type: string, deadline: Record<string, string>) =>
      sessionTo(edge).request({ ...GRPC, ":path": ORDER, "content-type": type, ...deadline });
    const grpc = ask("application/grpc", { "grpc-timeout": "300m" });
    const trailers = once(grpc, "trailers");
    grpc.resume();
    expect((await soon(trailers))[0]).toMatchObject({ "grpc-status": "4" });
    const connect = ask("application/connect+json", { "connect-timeout-ms": "300" });
    await soon(closed(connect));
    expect(connect.rstCode).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
    const headers = { "content-type": "application/connect+json", "connect-timeout-ms": "300" };
    const response = await fetch(edge.url + ORDER, { method: "POST", headers });
    await expect(soon(response.text())).rejects.toThrow("terminated");
  });
});

describe("fields for one connection", () => {
  const hopByHop = {
    connection: "keep-alive, Upgrade, HTTP2-Settings, X-Private",
    "keep-alive": "timeout=5",
    "proxy-connection": "keep-alive",
    "http2-settings": "AAMAAABkAAQAoAAAAAIAAAAA",
    upgrade: "h2c",
    te: "trailers, deflate",
    "proxy-authorization": "Basic eDp5",
    expect: "100-continue",
    "x-private": "1",
  };

  test("end at the edge, and the call goes on", async () => {
    const edge = await edgeOf((incoming, response) => {
      response.setHeader("keep-alive", "timeout=9").setHeader("proxy-authenticate", "Basic");
      response.end(JSON.stringify(incoming.headers));
    });
    const call = request(edge.url + ORDER, {
      method: "POST",
      headers: { ...hopByHop, "content-type": "application/json", "x-kept": "1" },
    });
    await once(call, "continue");
    const [response] = (await once(call.end("{}"), "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    expect(response.headers["proxy-authenticate"]).toBeUndefined();
    expect(response.headers["keep-alive"]).not.toBe("timeout=9");
    const received = JSON.parse(await text(response)) as Record<string, string>;
    expect(received).toMatchObject({ "content-type": "application/json", "x-kept": "1" });
    expect(received["connection"]).toBe("keep-alive");
    for (const name of Object.keys(hopByHop).filter((name) => name !== "connection"))
      expect(received, name).not.toHaveProperty(name);
  });

  test("no field hides a second request in a body", async () => {
    const urls: (string | undefined)[] = [];
    const edge = await edgeOf((incoming, response) => {
      urls.push(`${incoming.method} ${incoming.url}`);
      incoming.resume().once("end", () => response.end());
    });
    const hidden = "GET /order.v1.SagaService/ListSagas HTTP/1.1\r\nhost: x\r\n\r\n";
    for (const method of ["GET", "DELETE", "POST"])
      for (const framing of [
        { connection: "keep-alive, content-length", "content-length": String(hidden.length) },
        { connection: "keep-alive, transfer-encoding", "transfer-encoding": "chunked" },
      ]) {
        const call = request(edge.url + ORDER, { method, headers: framing }).end(hidden);
        (await once(call, "response"))[0].resume();
      }
    // Whatever follows on the same connection would be seen by now.
    expect((await fetch(edge.url + ORDER)).status).toBe(200);
    expect(new Set(urls)).toEqual(
      new Set(["GET", "DELETE", "POST"].map((name) => `${name} ${ORDER}`)),
    );
  });

  test("a body that curl announces first arrives, however large", async () => {
    const edge = await edgeOf(async (incoming, response) => {
      response.end(String((await buffer(incoming)).length));
    });
    const curl = ["-sS", "-H", "expect: 100-continue", "-H", "content-type: application/json"];
    const child = promisify(execFile)("curl", [...curl, "--data-binary", "@-", edge.url + ORDER]);
    child.child.stdin?.end(Buffer.alloc(3_000_000, " "));
    expect((await child).stdout).toBe("3000000");
  });
});

describe("over HTTP/2", () => {
  test("a stream flows both ways before either side ends, with its trailers", async () => {
    const edge = await edgeOf((incoming, response) => {
      response.setHeader("content-type", "application/grpc");
      incoming.on("data", (chunk: Buffer) => void response.write(chunk));
      incoming.once("end", () => {
        response.addTrailers({ "grpc-status": "0", "x-trailer-bin": "AAEC" });
        response.end();
      });
    });
    const stream = sessionTo(edge).request({ ...GRPC, ":path": ORDER }, { endStream: false });
    const trailers = once(stream, "trailers");
    for (const piece of ["one", "two"]) {
      stream.write(piece);
      expect(String((await once(stream, "data"))[0])).toBe(piece);
    }
    stream.end();
    expect((await trailers)[0]).toMatchObject({ "grpc-status": "0", "x-trailer-bin": "AAEC" });
  });

  test("headers alone stay headers alone: gRPC's error without a body", async () => {
    const edge = await edgeOf((_request, response) => {
      response.setHeader("content-type", "application/grpc");
      response.setHeader("grpc-status", "5");
      response.end();
    });
    const stream = sessionTo(edge).request({ ...GRPC, ":path": ORDER });
    const [headers, flags] = await once(stream, "response");
    expect(headers).toMatchObject({ "grpc-status": "5" });
    expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).not.toBe(0);
  });

  test("when the caller resets its stream, so does the edge", async () => {
    const reset = Promise.withResolvers<number>();
    const edge = await edgeOf((incoming, response) => {
      response.write("first");
      response.once("close", () =>
        reset.resolve((incoming as unknown as { stream: ClientHttp2Stream }).stream.rstCode ?? -1),
      );
    });
    const stream = sessionTo(edge).request({ ...GRPC, ":path": ORDER }, { endStream: false });
    await once(stream, "data");
    stream.close(http2.constants.NGHTTP2_CANCEL);
    expect(await reset.promise).toBe(http2.constants.NGHTTP2_CANCEL);
  });

  test("when the service resets a response that has begun, the caller does not take it for whole", async () => {
    const edge = await edgeOf((incoming, response) => {
      response.write("first", () =>
        (incoming as unknown as { stream: ClientHttp2Stream }).stream.close(
          http2.constants.NGHTTP2_CANCEL,
        ),
      );
    });
    const stream = sessionTo(edge).request({
      ...GRPC,
      "content-type": "application/json",
      ":path": ORDER,
    });
    await closed(stream);
    expect(stream.rstCode).not.toBe(http2.constants.NGHTTP2_NO_ERROR);
  });

  test("more calls than fit in one session to the service are in flight at once", async () => {
    const held: ServerResponse[] = [];
    const edge = await edgeOf((_request, response) => void held.push(response));
    const sessions = [sessionTo(edge), sessionTo(edge), sessionTo(edge)];
    const responses = sessions.flatMap((session) =>
      Array.from({ length: 90 }, async () => {
        const stream = session.request({ ...GRPC, ":path": ORDER }).resume();
        return ((await once(stream, "response")) as [IncomingHttpHeaders])[0][":status"];
      }),
    );
    await expect.poll(() => held.length).toBe(270);
    for (const response of held) response.end();
    expect(new Set(await Promise.all(responses))).toEqual(new Set([200]));
  });

  test("a service that restarts is reached again", async () => {
    const number = await freePort();
    const url = `http://127.0.0.1:${number}`;
    const start = () => serve("order", (_request, response) => response.end(), number);
    let service = await start();
    const edge = opened.use(
      await startEdge({ port: 0, upstreams: recordOf(serviceNames, () => url) }),
    );
    const session = sessionTo(edge);
    const status = async () =>
      (
        (await once(session.request({ ...GRPC, ":path": ORDER }).resume(), "response"))[0] as
          | IncomingHttpHeaders
          | undefined
      )?.["grpc-status"];
    expect(await status()).toBeUndefined();
    await service[Symbol.asyncDispose]();
    expect(await status()).toBe(String(Code.Unavailable));
    service = opened.use(await start());
    expect(await status()).toBeUndefined();
  });
});

describe.each([1, 2] as const)("over HTTP/%i, a slow reader", (version) => {
  test("slows the writer down: nothing piles up in the edge", async () => {
    let written = 0;
    let blocked = false;
    const chunk = Buffer.alloc(65_536);
    const edge = await edgeOf((_request, response) => {
      const fill = () => {
        while (written < 1_000 * chunk.length) {
          written += chunk.length;
          if (!response.write(chunk)) {
            blocked = true;
            return;
          }
        }
      };
      response.on("drain", () => {
        blocked = false;
        fill();
      });
      fill();
    });
    if (version === 1) {
      const call = request(edge.url + ORDER, { method: "POST" }).end();
      opened.defer(() => void call.destroy());
      await once(call, "response");
    } else await once(sessionTo(edge).request({ ...GRPC, ":path": ORDER }), "response");
    // Sockets buffer some MB on the way.
    let before = -1;
    await expect
      .poll(
        () => {
          const still = blocked && written === before;
          before = written;
          return still;
        },
        { interval: 200 },
      )
      .toBe(true);
    expect(written).toBeLessThan(32 * 1_048_576);
  });
});

describe("a page of an allowed origin", () => {
  const PAGE = "http://localhost:5173";
  const allowed = { corsOrigins: ["http://localhost:*"] };

  test.each([ORDER, "/auth/login", "/auth/me", "/no/such/path", "/health", "/%"])(
    "may call %s",
    async (path) => {
      const edge = await edgeOf((_request, response) => response.end(), allowed);
      const headers = {
        origin: PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,connect-timeout-ms",
      };
      const preflight = await fetch(edge.url + path, { method: "OPTIONS", headers });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get("access-control-allow-origin")).toBe(PAGE);
      expect(preflight.headers.get("access-control-allow-headers")).toMatch(/authorization/i);
      const called = await fetch(edge.url + path, { headers: { origin: PAGE } });
      expect(called.headers.get("access-control-allow-origin")).toBe(PAGE);
      expect(called.headers.get("access-control-expose-headers")).toMatch(/grpc-status/i);
    },
  );

  test("reads the edge's own errors, and one answer about origins though the service gives its own", async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const upstreams = recordOf(serviceNames, () => nowhere);
    const down = opened.use(await startEdge({ port: 0, upstreams, ...allowed }));
    const call = (url: string) =>
      fetch(url + ORDER, { method: "POST", headers: { origin: PAGE }, body: "" });
    const refused = await call(down.url);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("access-control-allow-origin")).toBe(PAGE);
    const edge = await edgeOf((_request, response) => {
      response.setHeader("access-control-allow-origin", "https://other.example");
      response.setHeader("vary", "Accept-Encoding, Origin").end();
    }, allowed);
    const answer = await call(edge.url);
    expect(answer.headers.get("access-control-allow-origin")).toBe(PAGE);
    expect(answer.headers.get("vary")).toBe("origin, accept-encoding");
  });

  test.each([
    ["another origin", "http://evil.example", allowed],
    ["any, when none is allowed", PAGE, {}],
  ])("may not: %s", async (_name, origin, options) => {
    const edge = await edgeOf((_request, response) => response.end(), options);
    const headers = { origin, "access-control-request-method": "POST" };
    for (const method of ["OPTIONS", "POST"]) {
      const answer = await fetch(edge.url + ORDER, { method, headers });
      expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    }
  });
});
