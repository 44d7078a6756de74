import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import http2, { type ClientHttp2Session } from "node:http2";
import { connect, type Socket } from "node:net";
import { queryObjects } from "node:v8";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { Health } from "@tercet/gen/grpc/health/v1/health";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
} from "@tercet/gen/grpc/reflection/v1/reflection";
import { describe, expect, inject, test } from "vitest";
import { DATA, END_HEADERS, END_STREAM, frame, HEADERS, hpack, PREFACE, post } from "./frames.ts";
import { gate, grpc, type Host, host, until } from "./harness.ts";

const LIST = "/order.v1.CatalogService/ListProducts";
const LIMIT_MS = 10_000;
const short = { keepAliveTimeoutMs: 60_000, maxConnectionAgeMs: 300, maxConcurrentStreams: 2 };

/** A peer that half-closes only when it says so, as an attacker does. */
async function open(port: number, bytes: Buffer | string = ""): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  await once(socket, "connect");
  if (bytes.length > 0) socket.write(bytes);
  return socket;
}

/** Whether the server closes the connection in this time; the peer itself never does. */
const closedWithin = async (socket: Socket, ms: number): Promise<boolean> => {
  const started = performance.now();
  socket.resume();
  if (!socket.readableEnded && !socket.destroyed)
    await Promise.race([once(socket, "end"), once(socket, "close")]);
  await reset(socket);
  return performance.now() - started < ms * inject("timeFactor");
};

/** Resolves when the server has closed the connection in both directions: a write is reset. */
const reset = (socket: Socket): Promise<void> =>
  until(() => {
    if (!socket.destroyed) socket.write("x");
    return socket.destroyed;
  });

const liveOver1 = (shop: Host) =>
  new Promise<number>((resolve) =>
    http
      .get(`${shop.url}/health/live`, { agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
      .on("error", () => resolve(0)),
  );

const liveOver2 = async (shop: Host) => {
  const { status } = await createClient(Health, grpc(shop.url)).check({});
  return status;
};

async function session(url: string): Promise<ClientHttp2Session> {
  const opened = http2.connect(url);
  opened.on("error", () => {});
  await once(opened, "remoteSettings");
  return opened;
}

test("a request that arrived while the event loop was blocked is served", async () => {
  await using shop = await host({ limits: { firstByteTimeoutMs: 200 } });
  const socket = await open(shop.port);
  // It is accepted once a later one is served.
  await liveOver1(shop);
  socket.write("GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n");
  for (const started = performance.now(); performance.now() - started < 400; );
  const [response] = await once(socket, "data");
  expect(String(response)).toMatch(/^HTTP\/1.1 200 /);
  socket.destroy();
});

describe("the end of a connection", () => {
  test("an HTTP/2 session ends when its client has finished sending", async () => {
    await using shop = await host();
    const sockets = await Promise.all(Array.from({ length: 50 }, () => open(shop.port, PREFACE)));
    await Promise.all(sockets.map((socket) => once(socket, "data")));
    const started = performance.now();
    for (const socket of sockets) socket.end();
    for (const socket of sockets) await closedWithin(socket, LIMIT_MS);
    // Not the keep-alive time.
    expect(performance.now() - started).toBeLessThan(2_000 * inject("timeFactor"));
  });

  test("an HTTP/2 session that has ended is not kept", async () => {
    const long = { ...short, keepAliveTimeoutMs: 600_000, maxConnectionAgeMs: 600_000 };
    await using shop = await host({ limits: { ...long, anonymous: long } });
    const other = await session(shop.url);
    // The class that the sessions of servers and clients have in common.
    const Session = Object.getPrototypeOf(other.constructor) as new () => object;
    const count = () => queryObjects(Session, { format: "count" });
    const before = count();
    for (let n = 0; n < 20; n++) {
      const socket = await open(shop.port, PREFACE);
      await once(socket, "data");
      socket.destroy();
    }
    await expect.poll(count).toBeLessThanOrEqual(before);
    other.destroy();
  });

  describe.each([
    ["anonymous", { anonymous: short, closeTimeoutMs: 300 }],
    ["known", { maxConnectionAgeMs: 500, closeTimeoutMs: 300 }],
  ])("of an %s caller that reads nothing", (name, limits) => {
    const much = "x".repeat(16_000_000);
    const flood = {
      limits,
      catalog: { listProducts: () => ({ nextPageToken: much }) },
      orders: { getOrder: () => ({ customerId: much }) },
    };
    const request = async ({ bearer }: Host) =>
      name === "anonymous"
        ? { path: LIST, body: "{}", authorization: "" }
        : {
            path: "/order.v1.OrderService/GetOrder",
            body: JSON.stringify({ orderId: crypto.randomUUID() }),
            authorization: await bearer("customer"),
          };

    test("over HTTP/1.1", async () => {
      await using shop = await host(flood);
      const { path, body, authorization } = await request(shop);
      const socket = await open(
        shop.port,
        `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      await once(socket, "readable");
      await reset(socket);
    });

    test("over HTTP/2", async () => {
      await using shop = await host(flood);
      const { path, body, authorization } = await request(shop);
      const peer = http2.connect(shop.url, { settings: { initialWindowSize: 0 } });
      peer.on("error", () => {});
      const stream = peer.request({
        ":method": "POST",
        ":path": path,
        authorization,
        "content-type": "application/json",
      });
      stream.on("error", () => {});
      stream.end(body);
      await once(peer, "close");
    });
  });

  test("a stream that is fed a byte now and then ends with its connection", async () => {
    await using shop = await host({
      limits: { anonymous: short, closeTimeoutMs: 300, requestTimeoutMs: 60_000 },
    });
    const peer = await session(shop.url);
    const stream = peer.request({
      ":method": "POST",
      ":path": `/${ServerReflection.typeName}/ServerReflectionInfo`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    const ask = toBinary(
      ServerReflectionRequestSchema,
      create(ServerReflectionRequestSchema, {
        messageRequest: { case: "listServices", value: "" },
      }),
    );
    const bytes = [0, 0, 0, 0, ask.length, ...ask];
    let at = 0;
    const feed = setInterval(() => {
      if (stream.writable) stream.write(Buffer.from([bytes[at++ % bytes.length] ?? 0]));
    }, 20);
    await once(peer, "close");
    clearInterval(feed);
  });

  test("a session that only pings ends too", async () => {
    await using shop = await host({ limits: { anonymous: short, closeTimeoutMs: 300 } });
    const peer = await session(shop.url);
    const pings = setInterval(() => {
      if (!peer.closed) peer.ping(() => {});
    }, 20);
    await once(peer, "close");
    clearInterval(pings);
  });

  test("the preface and nothing more is closed after the keep-alive time of the anonymous", async () => {
    await using shop = await host({
      limits: { anonymous: { ...short, maxConnectionAgeMs: 60_000, keepAliveTimeoutMs: 200 } },
    });
    const socket = await open(shop.port, PREFACE);
    expect(await closedWithin(socket, 5_000)).toBe(true);
  });
});

describe("anonymous and known callers", () => {
  test("a session of an anonymous caller is old sooner than one of a known caller", async () => {
    await using shop = await host({ limits: { anonymous: short } });
    const authorization = await shop.bearer("customer");
    const [anonymous, known] = [await session(shop.url), await session(shop.url)];
    for (const [peer, headers] of [
      [anonymous, {}],
      [known, { authorization }],
    ] as const) {
      const call = peer.request({
        ":method": "POST",
        ":path": "/identity.v1.IdentityService/GetMe",
        "content-type": "application/json",
        ...headers,
      });
      call.end("{}");
      await once(call.resume(), "end");
    }
    await once(anonymous, "close");
    expect(known.closed).toBe(false);
    known.destroy();
  });

  test("an HTTP/1.1 connection likewise", async () => {
    await using shop = await host({ limits: { anonymous: short } });
    const authorization = await shop.bearer("customer");
    const kept = async (headers: Record<string, string>) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const ask = () =>
        new Promise<IncomingMessage>((resolve, reject) =>
          http
            .request(
              `${shop.url}/identity.v1.IdentityService/GetMe`,
              {
                agent,
                method: "POST",
                headers: { ...headers, "content-type": "application/json" },
              },
              resolve,
            )
            .on("error", reject)
            .end("{}"),
        );
      await once((await ask()).resume(), "end");
      await new Promise((resolve) => setTimeout(resolve, short.maxConnectionAgeMs * 1.3));
      const response = await ask();
      await once(response.resume(), "end");
      agent.destroy();
      return response.headers.connection;
    };
    expect(await kept({})).toBe("close");
    expect(await kept({ authorization })).toBe("keep-alive");
  });

  test("an anonymous session has fewer streams, a known one gets all", async () => {
    const release = gate();
    await using shop = await host({
      limits: { anonymous: { ...short, maxConnectionAgeMs: 60_000 }, maxConcurrentStreams: 16 },
      catalog: {
        listProducts: async () => {
          await release.opened;
          return {};
        },
      },
    });
    const peer = await session(shop.url);
    expect(peer.remoteSettings.maxConcurrentStreams).toBe(2);
    const call = peer.request({
      ":method": "POST",
      ":path": "/identity.v1.IdentityService/GetMe",
      "content-type": "application/json",
      authorization: await shop.bearer("customer"),
    });
    const raised = once(peer, "remoteSettings");
    call.end("{}");
    await raised;
    expect(peer.remoteSettings.maxConcurrentStreams).toBe(16);
    release.open();
    peer.destroy();
  });

  test("streams beyond the limit are refused, also to a client that ignores it", async () => {
    const release = gate();
    let running = 0;
    await using shop = await host({
      catalog: {
        listProducts: async () => {
          running += 1;
          await release.opened;
          return {};
        },
      },
    });
    // Without the acknowledgement that its own library would send.
    const socket = await open(shop.port, PREFACE);
    socket.resume();
    for (let id = 1; id < 2_000; id += 2) socket.write(listOver2(id));
    await until(() => running > 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(running).toBeLessThanOrEqual(100);
    release.open();
    socket.destroy();
  });
});

describe("a full port", () => {
  const limits = { maxConnections: 20, maxConnectionsPerAddress: 100, healthConnections: 4 };

  async function filled(overrides: object = {}) {
    const shop = await host({ limits: { ...limits, ...overrides } });
    const idle = await Promise.all(
      Array.from({ length: limits.maxConnections }, (_, i) =>
        open(shop.port, i % 2 === 0 ? PREFACE : "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"),
      ),
    );
    await Promise.all(idle.map((socket) => once(socket, "data")));
    return { shop, idle };
  }

  test("still answers health checks, over HTTP/1.1 and gRPC, and nothing else", async () => {
    const { shop, idle } = await filled();
    for (let i = 0; i < 5; i++) {
      expect(await liveOver1(shop)).toBe(200);
      expect(await liveOver2(shop)).toBe(1);
      const refused = await fetch(shop.url + LIST, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      expect(refused.status).toBe(503);
      expect(await refused.json()).toMatchObject({ code: "unavailable" });
    }
    for (const socket of idle) socket.destroy();
    await shop[Symbol.asyncDispose]();
  });

  test("no one keeps the room for health checks", async () => {
    const { shop, idle } = await filled({ healthConnectionMs: 200 });
    const squatters = await Promise.all(
      Array.from({ length: limits.healthConnections }, () => open(shop.port, PREFACE)),
    );
    for (const socket of squatters) expect(await closedWithin(socket, 2_000)).toBe(true);
    expect(await liveOver1(shop)).toBe(200);
    for (const socket of idle) socket.destroy();
    await shop[Symbol.asyncDispose]();
  });

  test("is not filled by one address", async () => {
    await using shop = await host({ limits: { ...limits, maxConnectionsPerAddress: 10 } });
    const idle = await Promise.all(Array.from({ length: 15 }, () => open(shop.port, PREFACE)));
    for (const socket of idle) socket.resume();
    await until(() => idle.filter(({ destroyed }) => destroyed).length === 5);
    const other = connect({ port: shop.port, host: "127.0.0.1", localAddress: "127.0.0.2" });
    other.write("GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let response = "";
    for await (const chunk of other) response += chunk;
    expect(response).toContain("200 OK");
    for (const socket of idle) socket.destroy();
  });
});

/** A call of ListProducts. */
const listOver2 = (stream: number): Buffer =>
  Buffer.concat([
    frame(HEADERS, END_HEADERS, stream, hpack(post(LIST))),
    frame(DATA, END_STREAM, stream, Buffer.from("{}")),
  ]);
