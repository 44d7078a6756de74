import { once } from "node:events";
import http2 from "node:http2";
import { connect } from "node:net";
import { setImmediate } from "node:timers/promises";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Code, ConnectError } from "@connectrpc/connect";
import { CreateOrderRequestSchema } from "@tercet/gen/order/v1/order_service";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { type Host, host, type LogLine, until } from "./harness.ts";

const CREATE = "/order.v1.OrderService/CreateOrder";
const LIST_ORDERS = "/order.v1.OrderService/ListOrders";
const PUT = "/order.v1.CatalogService/PutProduct";
const WATCH = "/order.v1.OrderService/WatchOrder";
const LIST = "/order.v1.CatalogService/ListProducts";
/** 32,000 empty items. */
const EMPTY_ITEMS = Buffer.alloc(64_000, Buffer.from([0x12, 0]));

let shop: Host;
let authorization: string;
beforeAll(async () => {
  const products = Array.from({ length: 100 }, (_, i) => ({
    sku: `TEA-${i}`,
    name: `Tea ${i}`,
    description: `${i} `.repeat(600),
  }));
  shop = await host({
    catalog: {
      putProduct: ({ product }) => product ?? {},
      listProducts: ({ pageSize }) => ({ products: products.slice(0, pageSize || 1) }),
    },

    orders: {
      createOrder: () => ({}),
      listOrders: () => ({}),
      async *watchOrder() {
        for (;;) {
          yield { order: { customerId: "x".repeat(30_000) } };
          await setImmediate();
        }
      },
    },
  });
  authorization = await shop.bearer("customer", "operator");
});
afterAll(() => shop[Symbol.asyncDispose]());
beforeEach(() => {
  (shop.log as LogLine[]).length = 0;
});

interface Answer {
  /** "ok", "invalid_argument" and so on; undefined if the connection was closed. */
  readonly code: string | undefined;
  readonly message: string;
  readonly bytes: number;
}

type Send = (path: string, message: Uint8Array, encoding?: string) => Promise<Answer>;

function envelope(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** By fetch, over HTTP/1.1, as Connect's unary calls. */
const unary =
  (type: string): Send =>
  async (path, message, encoding) => {
    const response = await fetch(shop.url + path, {
      method: "POST",
      headers: {
        authorization,
        "content-type": `application/${type}`,
        ...(encoding && { "content-encoding": encoding }),
      },
      body: new Uint8Array(message),
    });
    return connectAnswer(response.status, Buffer.from(await response.arrayBuffer()));
  };

function connectAnswer(status: number, body: Buffer): Answer {
  const error = status === 200 ? {} : (JSON.parse(String(body)) as Record<string, string>);
  return {
    code: status === 200 ? "ok" : error["code"],
    message: error["message"] ?? "",
    bytes: body.length,
  };
}

/** Over HTTP/2, in gRPC's form. */
const overHttp2 =
  (type: string): Send =>
  async (path, message, encoding) => {
    const session = http2.connect(shop.url);
    try {
      const stream = session.request({
        ":method": "POST",
        ":path": path,
        authorization,
        "content-type": `application/${type}`,
        ...(encoding && { "grpc-encoding": encoding }),
      });
      const ended = once(stream, "end");
      let trailers: http2.IncomingHttpHeaders = {};
      const body: Buffer[] = [];
      stream.on("response", (headers) => (trailers = { ...trailers, ...headers }));
      stream.on("trailers", (headers) => (trailers = { ...trailers, ...headers }));
      stream.on("data", (chunk: Buffer) => void body.push(chunk));
      stream.end(envelope(message, encoding ? 1 : 0));
      await ended;
      const all = Buffer.concat(body);
      // gRPC-Web has its trailers in the body.
      const status = trailers["grpc-status"] ?? /grpc-status: (\d+)/.exec(String(all))?.[1];
      const detail = trailers["grpc-message"] ?? /grpc-message: (.*)/.exec(String(all))?.[1] ?? "";
      return {
        code: status === "0" ? "ok" : codeName(Number(status)),
        message: decodeURIComponent(String(detail)).trim(),
        bytes: all.length + JSON.stringify(trailers).length,
      };
    } finally {
      session.close();
    }
  };

const codeName = (code: number): string =>
  /\[(\w+)\]/.exec(new ConnectError("", code as Code).message)?.[1] ?? "";

const binary: [string, Send][] = [
  ["Connect over HTTP/1.1", unary("proto")],
  ["gRPC over HTTP/2", overHttp2("grpc+proto")],
  ["gRPC-Web over HTTP/2", overHttp2("grpc-web+proto")],
];
const json: [string, Send][] = [
  ["Connect over HTTP/1.1", unary("json")],
  ["gRPC over HTTP/2", overHttp2("grpc+json")],
];

/**
 * Resolves to the longest time in which the event loop did nothing else: the least of three times,
 * as other processes may take the processor away.
 */
async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  const blocks: number[] = [];
  for (let time = 0; time < 3; time++) {
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    await work();
    clearInterval(timer);
    blocks.push(longest);
  }
  return Math.min(...blocks);
}

describe.each(binary)("binary messages: %s", (_name, send) => {
  test("32,000 empty items are refused at once, with one violation", async () => {
    await send(CREATE, EMPTY_ITEMS);
    for (const encoding of [undefined, "gzip", "br"]) {
      const packed =
        { gzip: gzipSync, br: brotliCompressSync }[encoding ?? ""] ?? ((b: Buffer) => b);
      const body = packed(EMPTY_ITEMS);
      let answer: Answer | undefined;
      const blockMs = await longestBlock(async () => {
        answer = await send(CREATE, body, encoding);
      });
      expect(answer).toMatchObject({
        code: "invalid_argument",
        message: expect.stringContaining("items: must contain no more than 50 item(s)"),
      });
      expect(answer?.bytes).toBeLessThan(2_048);
      expect(blockMs).toBeLessThan(100 * inject("timeFactor"));
    }
  });

  test.each([
    [[0x12, 0x7f, 0x41]],
    [[0x07]],
    [[0x00, 0x01]],
    [[0x12, 0x02, 0xc3, 0x28]],
    [[0x10, 1]],
  ])("bytes %j are an invalid argument", async (bytes) => {
    expect((await send(LIST, new Uint8Array(bytes))).code).toBe("invalid_argument");
    expect(problems()).toEqual([]);
  });

  test.each(["gzip", "br"])("truncated or corrupt %s is an invalid argument", async (encoding) => {
    const whole = (encoding === "gzip" ? gzipSync : brotliCompressSync)(Buffer.alloc(4_000));
    const corrupt = Buffer.from(whole.map((byte, i) => (i > 3 ? byte ^ 0x55 : byte)));
    for (const bytes of [whole.subarray(0, -4), whole.subarray(0, 3), corrupt])
      expect((await send(LIST, bytes, encoding)).code).toBe("invalid_argument");
  });

  test("a mutated message is never an internal error", async () => {
    const valid = toBinary(
      CreateOrderRequestSchema,
      create(CreateOrderRequestSchema, {
        requestId: crypto.randomUUID(),
        items: [{ sku: "TEA", quantity: 1 }],
        paymentMethod: { token: "tok_ok" },
      }),
    );
    const mutation = fc.record({
      changes: fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 5 }),
      length: fc.nat(valid.length),
    });
    await fc.assert(
      fc.asyncProperty(mutation, async ({ changes, length }) => {
        const bytes = valid.slice(0, length);
        for (const [at, byte] of changes) if (at < length) bytes[at] = byte;
        expect(["ok", "invalid_argument"]).toContain((await send(CREATE, bytes)).code);
      }),
      { numRuns: 300 },
    );
    expect(problems()).toEqual([]);
  });
});

describe.each(json)("JSON: %s", (_name, send) => {
  const text = (json: string) => Buffer.from(json);

  test("21,000 empty items are refused, and the answer does not grow with them", async () => {
    const answer = await send(CREATE, text(`{"items":[${"{},".repeat(20_999)}{}]}`));
    expect(answer.code).toBe("invalid_argument");
    expect(answer.bytes).toBeLessThan(2_048);
  });

  test("a long value is not quoted whole", async () => {
    const answer = await send(LIST, text(`{"pageSize":"${"x".repeat(60_000)}"}`));
    expect(answer.code).toBe("invalid_argument");
    expect(answer.bytes).toBeLessThan(2_048);
  });

  test("invalid UTF-8 is refused, not replaced", async () => {
    const bytes = Buffer.concat([text('{"pageToken":"'), Buffer.from([0xc3, 0x28]), text('"}')]);
    expect(await send(LIST, bytes)).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("UTF-8"),
    });
  });

  test.each(['"ORDER_STATUS_CONFIRMD"', '"confirmed"', '""'])(
    "a filter by the unknown status %s is refused, not ignored",
    async (status) => {
      expect(await send(LIST_ORDERS, text(`{"status":${status}}`))).toMatchObject({
        code: "invalid_argument",
        message: expect.stringContaining("status: must be the name of"),
      });
    },
  );

  test.each([
    ["name", "a right-to-left override", "Tea\u202eeeT"],
    ["name", "an isolate", "Tea\u2066"],
    ["name", "a line separator", "Tea\u2028Tea"],
    ["name", "a C1 control", "Tea\u0085Tea"],
    ["name", "NUL", "Tea\u0000"],
    ["description", "a paragraph separator", "Tea\u2029Tea"],
    ["price.currency_code", "a currency that does not exist", "ZZZ"],
  ])("%s with %s is refused", async (field, _what, value) => {
    const [outer = "", inner] = field.split(".");
    const product = { sku: "TEA", name: "Tea", price: { currencyCode: "EUR", minorUnits: "1" } };
    const broken = inner === undefined ? value : { currencyCode: value, minorUnits: "1" };
    const request = { product: { ...product, [outer]: broken }, requestId: crypto.randomUUID() };
    expect(await send(PUT, text(JSON.stringify(request)), undefined)).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(`product.${field}: `),
    });
  });

  test.each([
    ["a key twice", LIST, '{"pageSize":1,"pageSize":2}'],
    ["a lone surrogate", LIST, '{"pageToken":"\\ud800"}'],
    ["an unknown enum number", LIST_ORDERS, '{"status":99}'],
    ["a number over int32", LIST, '{"pageSize":2147483648}'],
    ["a fraction", LIST, '{"pageSize":1.5}'],
    ["an id that is SQL", LIST_ORDERS, `{"customerId":"' or 1=1--"}`],
    ["an id that is a query of MongoDB", LIST_ORDERS, '{"customerId":{"$gt":""}}'],
    ["an id that is too short", LIST_ORDERS, '{"customerId":"0198a5a0"}'],
    ["an array", LIST, "[]"],
    ["null", LIST, "null"],
    ["nothing", LIST, ""],
  ])("%s is an invalid argument", async (_name, path, json) => {
    expect((await send(path, text(json))).code).toBe("invalid_argument");
  });

  test("keys that look like integers do not collide", async () => {
    const keys = Array.from({ length: 1_900 }, (_, n) => `"${n * 65_536}":0`);
    const json = text(`{${keys.join(",")}}`);
    await send(LIST, json);
    const blockMs = await longestBlock(async () => {
      expect((await send(LIST, json)).code).toBe("ok");
    });
    expect(blockMs).toBeLessThan(50 * inject("timeFactor"));
  });

  test("text in any script is accepted", async () => {
    const name = "شاي · 茶 · чай · 👩‍🍳 · café";
    const product = { sku: "TEA", name, price: { currencyCode: "EUR", minorUnits: "1" } };
    const request = { product, requestId: crypto.randomUUID() };
    expect((await send(PUT, text(JSON.stringify(request)))).code).toBe("ok");
  });

  test("an unknown field is ignored", async () => {
    expect((await send(LIST_ORDERS, text('{"new":{"field":[1]}}'))).code).toBe("ok");
  });

  test("depth over 100 is an invalid argument", async () => {
    const deep = `{"x":${"[".repeat(30_000)}${"]".repeat(30_000)}}`;
    expect(["ok", "invalid_argument"]).toContain((await send(LIST, text(deep))).code);
  });
});

describe("the envelope", () => {
  const list = (headers: Record<string, string>, body = "{}") =>
    fetch(shop.url + LIST, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });

  test.each(["foo", "zstd", "gzip, gzip", "deflate"])(
    "the unknown encoding %s is unimplemented",
    async (encoding) => {
      const response = await list({ "content-encoding": encoding });
      expect(response.status).toBe(501);
      expect(await response.json()).toMatchObject({ code: "unimplemented" });
      expect((await overHttp2("grpc+proto")(LIST, Buffer.alloc(0), encoding)).code).toBe(
        "unimplemented",
      );
    },
  );

  test("a brotli bomb is not decompressed", async () => {
    const bomb = brotliCompressSync(Buffer.alloc(64 * 1024 * 1024));
    for (const send of [unary("proto"), overHttp2("grpc+proto")])
      expect((await send(LIST, bomb, "br")).code).toBe("resource_exhausted");
  });

  test("another version of Connect's protocol is served as version 1", async () => {
    expect((await list({ "connect-protocol-version": "2" })).status).toBe(200);
  });

  test("base64 for gRPC-Web is not a content type of ours", async () => {
    expect((await list({ "content-type": "application/grpc-web-text" })).status).toBe(415);
  });

  test("metadata that is not base64 harms nothing", async () => {
    expect((await list({ "x-trace-bin": "%%%" })).status).toBe(200);
  });

  test("a prefix or a message that ends early is an invalid argument", async () => {
    for (const bytes of [Buffer.of(0, 0), Buffer.of(0, 0, 0, 0, 9, 1)]) {
      const session = http2.connect(shop.url);
      const type = "application/grpc";
      const stream = session.request({ ":method": "POST", ":path": LIST, "content-type": type });
      const trailers = once(stream, "trailers");
      stream.resume();
      stream.end(bytes);
      expect((await trailers)[0]["grpc-status"]).toBe("3");
      session.close();
    }
  });
});

describe("a message in the URL", () => {
  const get = async (query: string, path = LIST, headers: Record<string, string> = {}) => {
    const response = await fetch(`${shop.url}${path}?connect=v1&${query}`, { headers });
    return { status: response.status, body: await response.text(), headers: response.headers };
  };

  test.each([
    "encoding=proto&base64=1&message=%25%25",
    "encoding=proto&base64=1&message=A",
    "encoding=json&message={",
    "encoding=json&base64=1&compression=gzip&message=H4sI",
    `encoding=proto&base64=1&message=${Buffer.from([0x12, 0x7f]).toString("base64url")}`,
  ])("%s is an invalid argument", async (query) => {
    const { status, body } = await get(query);
    expect([status, JSON.parse(body).code]).toEqual([400, "invalid_argument"]);
  });

  test("the caller is checked before the message", async () => {
    expect((await get("encoding=json&message={", LIST_ORDERS)).status).toBe(401);
  });

  test("the answer of a public method may be cached, that of another not", async () => {
    const message = "encoding=json&message={}";
    expect((await get(message)).headers.get("cache-control")).toBe("public, max-age=5");
    const own = await get(message, LIST_ORDERS, { authorization });
    expect(own.status).toBe(200);
    expect(own.headers.get("cache-control")).toBe(null);
    expect((await get("encoding=json&message={")).headers.get("cache-control")).toBe(null);
  });
});

test.each([["br"], ["gzip"]])(
  "%s costs less than the call that it compresses",
  async (encoding) => {
    const list = async (accepted: string) => {
      const started = process.cpuUsage();
      const response = await fetch(`${shop.url}${LIST}`, {
        method: "POST",
        headers: { "content-type": "application/json", "accept-encoding": accepted },
        body: '{"pageSize":100}',
      });
      await response.arrayBuffer();
      const { user, system } = process.cpuUsage(started);
      return { cpuMs: (user + system) / 1_000, encoding: response.headers.get("content-encoding") };
    };
    const median = async (accepted: string) => {
      const runs = [];
      for (let i = 0; i < 9; i++) runs.push(await list(accepted));
      return runs.sort((a, b) => a.cpuMs - b.cpuMs)[4];
    };
    const plain = await median("identity");
    const compressed = await median(encoding);
    expect(compressed?.encoding).toBe(encoding);
    expect(compressed?.cpuMs).toBeLessThan(3 * (plain?.cpuMs ?? 0) + 10);
  },
);

test("a small response is not compressed", async () => {
  const response = await fetch(`${shop.url}${LIST}`, {
    method: "POST",
    headers: { "content-type": "application/json", "accept-encoding": "gzip" },
    body: "{}",
  });
  expect(response.headers.get("content-encoding")).toBe(null);
});

describe("the URL", () => {
  test.each(["/%zz", "/order.v1.CatalogService/%E0%A4%A", `/${"x".repeat(200)}`])(
    "%s gets an error in our form that does not repeat it",
    async (path) => {
      const response = await raw(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(response).toMatch(/^HTTP\/1.1 40[04] /);
      expect(JSON.parse(response.slice(response.indexOf("\r\n\r\n")))).toEqual({
        code: expect.stringMatching(/^(invalid_argument|unimplemented)$/),
        message: expect.not.stringContaining(path.slice(1)),
      });
    },
  );

  test("a host that is none gets an error", async () => {
    const head = `POST ${LIST} HTTP/1.1\r\nhost: [x\r\ncontent-type: application/json\r\n`;
    const response = await raw(`${head}content-length: 2\r\nconnection: close\r\n\r\n{}`);
    expect(response).toMatch(/^HTTP\/1.1 400 /);
  });
});

test("a client that disconnects leaves nothing but our own log lines", async () => {
  const written: string[] = [];
  const { write } = process.stderr;
  process.stderr.write = (text) => written.push(String(text)) > 0;
  const watch = envelope(Buffer.from(JSON.stringify({ orderId: crypto.randomUUID() })));
  try {
    for (let i = 0; i < 5; i++) {
      const session = http2.connect(shop.url);
      session.on("error", () => {});
      const type = "application/connect+json";
      const stream = session.request({
        ":method": "POST",
        ":path": WATCH,
        authorization,
        "content-type": type,
      });
      stream.on("error", () => {});
      stream.end(watch);
      await once(stream, "data");
      session.destroy();
      const socket = connect(shop.port, "127.0.0.1");
      socket.write(
        `POST ${WATCH} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: ${type}\r\ncontent-length: ${watch.length}\r\n\r\n`,
      );
      socket.write(watch);
      await once(socket, "data");
      socket.resetAndDestroy();
    }
    await until(() => shop.log.filter(({ msg }) => msg === "call").length === 10);
  } finally {
    process.stderr.write = write;
  }
  expect(written).toEqual([]);
  expect(problems()).toEqual([]);
});

async function raw(request: string): Promise<string> {
  const socket = connect(shop.port, "127.0.0.1");
  socket.end(request);
  let response = "";
  for await (const chunk of socket) response += chunk;
  return response;
}

const problems = (): LogLine[] =>
  shop.log.filter(({ level }) => level === "warn" || level === "error");
