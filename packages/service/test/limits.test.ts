import { once } from "node:events";
import http2 from "node:http2";
import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "@tercet/gen/grpc/reflection/v1/reflection";
import { PutProductRequestSchema } from "@tercet/gen/order/v1/catalog_service";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { catalogAt, grpc, type Host, host, transports } from "./harness.ts";

const LIST = "/order.v1.CatalogService/ListProducts";
const WATCH = "/order.v1.OrderService/WatchOrder";
const PUT = "/order.v1.CatalogService/PutProduct";
const limits = {
  firstByteTimeoutMs: 200,
  headersTimeoutMs: 300,
  requestTimeoutMs: 400,
  connectionsCheckingIntervalMs: 50,
};

let shop: Host;
beforeAll(async () => {
  shop = await host({ limits, catalog: { putProduct: ({ product }) => product ?? {} } });
});
afterAll(() => shop[Symbol.asyncDispose]());

async function open(...bytes: string[]): Promise<{ socket: Socket; closed: Promise<string> }> {
  const socket = connect(shop.port, "127.0.0.1");
  await once(socket, "connect");
  let response = "";
  socket.on("data", (chunk) => {
    response += chunk;
  });
  socket.on("error", () => {});
  for (const part of bytes) socket.write(part);
  return { socket, closed: once(socket, "close").then(() => response) };
}

describe("HTTP/1.1", () => {
  test.each(["", "P", "PR"])(
    "a socket that sends %j and nothing more is closed without a response",
    async (head) => {
      const started = performance.now();
      expect(await (await open(head)).closed).toBe("");
      expect(performance.now() - started).toBeLessThan(1_000 * inject("timeFactor"));
    },
  );

  test("slow headers get 408", async () => {
    expect(await (await open("POST / HTTP/1.1\r\nhost: x\r\n")).closed).toContain(
      "408 Request Timeout",
    );
  });

  test("a slow body gets 408", async () => {
    const head = `POST ${LIST} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{`;
    expect(await (await open(head)).closed).toContain("408 Request Timeout");
  });

  test("headers over 16 KiB get 431", async () => {
    expect(
      await (await open(`GET / HTTP/1.1\r\nhost: x\r\nx-long: ${"x".repeat(17_000)}\r\n\r\n`))
        .closed,
    ).toContain("431");
  });
});

describe("the rest of a body that is too large", () => {
  const READ_MAX_BYTES = 65_536;
  const envelope = (length: number) => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, Buffer.alloc(length)]);
  };

  // With the limits of production: it must not take the 10 s of `requestTimeout`.
  let usual: Host;
  let authorization: string;
  beforeAll(async () => {
    usual = await host();
    authorization = await usual.bearer("operator", "customer");
  });
  afterAll(() => usual[Symbol.asyncDispose]());

  describe.each([
    ["application/grpc-web+proto", PUT, envelope],
    ["application/connect+proto", WATCH, envelope],
    ["application/proto", PUT, Buffer.alloc],
  ])("as %s", (type, path, bodyOf) => {
    test.each([1, 10, 1_000_000])(
      "does not hold up the next request of its connection over HTTP/1.1, %i bytes over the limit",
      async (over) => {
        const body = bodyOf(READ_MAX_BYTES + over);
        const socket = connect(usual.port, "127.0.0.1");
        const head = (to: string, contentType: string, length: number) =>
          `POST ${to} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: ${contentType}\r\ncontent-length: ${length}\r\n\r\n`;
        socket.write(head(path, type, body.length));
        socket.write(body);
        socket.write(`${head(LIST, "application/json", 2)}{}`);
        let responses = "";
        for await (const chunk of socket) {
          responses += chunk;
          if (responses.includes("TEA")) break;
        }
        expect(responses).toMatch(/resource_exhausted|grpc-status: 8/);
        expect(responses).not.toContain("408 Request Timeout");
        expect(responses).toContain("TEA");
      },
    );
  });
});

describe("HTTP/2", () => {
  const grpcHeaders = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };

  test.each(["application/grpc", "application/proto", "application/grpc-web+proto"])(
    "half a body of %s is reset by the body timer",
    async (type) => {
      const session = http2.connect(shop.url);
      const stream = session.request(
        { ...grpcHeaders, "content-type": type, ":path": LIST },
        { endStream: false },
      );
      stream.on("error", () => {});
      stream.write(Buffer.from([0, 0, 0]));
      await once(stream, "close");
      expect(stream.rstCode).toBe(http2.constants.NGHTTP2_CANCEL);
      session.close();
    },
  );

  test("half a body of a stream ends the call, and is no error of ours", async () => {
    const authorization = await shop.bearer("customer");
    const session = http2.connect(shop.url);
    const headers = { ...grpcHeaders, authorization, ":path": WATCH };
    const stream = session.request(headers, { endStream: false });
    stream.on("error", () => {});
    stream.write(Buffer.from([0, 0, 0]));
    await once(stream, "close");
    session.close();
    const { closed } = await open(
      `POST ${WATCH} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\n`,
      "content-type: application/connect+json\r\ncontent-length: 9\r\n\r\n12",
    );
    await closed;
    const calls = () =>
      shop.log.filter(({ msg, method }) => msg === "call" && method === WATCH.slice(1));
    // Connect's own name for a connection that ends.
    await expect.poll(calls).toMatchObject([{ code: "Canceled" }, { code: "Aborted" }]);
    expect(shop.log.filter(({ level }) => level === "warn" || level === "error")).toEqual([]);
  });

  test("a unary body that trickles is reset as well: bytes do not extend its time", async () => {
    const session = http2.connect(shop.url);
    const stream = session.request({ ...grpcHeaders, ":path": LIST }, { endStream: false });
    stream.on("error", () => {});
    const drip = setInterval(() => stream.write(Buffer.from([0])), 20);
    await once(stream, "close");
    clearInterval(drip);
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_CANCEL);
    session.close();
  });

  test("an envelope of many DATA frames is read whole", async () => {
    const product = {
      sku: "TEA",
      name: "Tea",
      description: "é".repeat(2_000),
      price: { currencyCode: "EUR", minorUnits: 1n },
    };
    const message = toBinary(
      PutProductRequestSchema,
      create(PutProductRequestSchema, { product, requestId: crypto.randomUUID() }),
    );
    const session = http2.connect(shop.url);
    const authorization = await shop.bearer("operator");
    const stream = session.request(
      { ...grpcHeaders, ":path": PUT, authorization },
      { endStream: false },
    );
    const trailers = once(stream, "trailers");
    stream.resume();
    const body = envelope(message);
    for (let at = 0; at < body.length; at += 400) {
      stream.write(body.subarray(at, at + 400));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    stream.end();
    expect((await trailers)[0]).toMatchObject({ "grpc-status": "0" });
    session.close();
  });

  test("a request stream stays open while messages arrive, and is reset when they stop", async () => {
    const session = http2.connect(shop.url);
    const stream = session.request(
      { ...grpcHeaders, ":path": `/${ServerReflection.typeName}/ServerReflectionInfo` },
      { endStream: false },
    );
    stream.on("error", () => {});
    const ask = envelope(
      toBinary(
        ServerReflectionRequestSchema,
        create(ServerReflectionRequestSchema, {
          messageRequest: { case: "listServices", value: "" },
        }),
      ),
    );
    const closed = once(stream, "close");
    const started = performance.now();
    let responses = 0;
    stream.on("data", (chunk: Buffer) => {
      responses +=
        fromBinary(ServerReflectionResponseSchema, chunk.subarray(5)).messageResponse.case ===
        "listServicesResponse"
          ? 1
          : 0;
      if (responses < 12) setTimeout(() => stream.write(ask), 60);
    });
    stream.write(ask);
    await closed;
    expect(responses).toBe(12);
    expect(performance.now() - started).toBeGreaterThan(limits.requestTimeoutMs * 2);
    session.close();
  });

  test("an idle session is closed", async () => {
    await using other = await host({ limits: { keepAliveTimeoutMs: 100 } });
    const session = http2.connect(other.url);
    await once(session, "close");
  });

  test("a slow handler of a request without a body is not reset", async () => {
    const limitMs = 100 * inject("timeFactor");
    await using other = await host({
      limits: { headersTimeoutMs: limitMs, requestTimeoutMs: limitMs },
      catalog: {
        listProducts: () =>
          new Promise((resolve) => setTimeout(() => resolve({}) as never, 3 * limitMs)),
      },
    });
    for (const name of [
      "Connect GET over HTTP/2",
      "gRPC over HTTP/2",
      "Connect GET over HTTP/1.1",
    ]) {
      await catalogAt((transports[name] ?? grpc)(other.url)).listProducts({});
    }
  });
});

describe("messages", () => {
  const big = { pageToken: "x".repeat(65_537) };

  test.each(Object.entries(transports).filter(([name]) => !name.includes("GET")))(
    "one byte too many over %s",
    async (_name, transport) => {
      await expect(catalogAt(transport(shop.url)).listProducts(big)).rejects.toMatchObject({
        code: Code.ResourceExhausted,
      });
    },
  );

  test("a message just below the limit is read", async () => {
    const refused = await catalogAt(grpc(shop.url))
      .listProducts({ pageToken: "x".repeat(65_500) })
      .catch(ConnectError.from);
    expect(refused).toMatchObject({ code: Code.InvalidArgument });
  });

  test("a gzip bomb is not decompressed", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(65_536);
    const response = await fetch(shop.url + LIST, {
      method: "POST",
      headers: { "content-type": "application/proto", "content-encoding": "gzip" },
      body: bomb,
    });
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ code: "resource_exhausted" });
  });

  test("a length field of 4 GiB allocates nothing", async () => {
    const session = http2.connect(shop.url);
    const stream = session.request({
      ":method": "POST",
      ":path": LIST,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const trailers = once(stream, "trailers");
    stream.resume();
    stream.end(Buffer.from("00ffffffff", "hex"));
    expect((await trailers)[0]).toMatchObject({ "grpc-status": String(Code.ResourceExhausted) });
    session.close();
  });
});

function envelope(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
