import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  frame,
  GOAWAY,
  HEADERS,
  hpack,
  PING,
  PREFACE,
  post,
  RST_STREAM,
  rawPeer,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frames.ts";
import { catalogAt, grpc, type Host, host, type LogLine, until } from "./harness.ts";

const LIST = "/order.v1.CatalogService/ListProducts";
const HEAD = `POST ${LIST} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;

let shop: Host;
beforeAll(async () => {
  shop = await host();
});
afterAll(() => shop[Symbol.asyncDispose]());
beforeEach(() => {
  (shop.log as LogLine[]).length = 0;
});

/** The host serves others as if nothing had happened. */
async function unharmed(): Promise<void> {
  const started = performance.now();
  expect((await catalogAt(grpc(shop.url)).listProducts({})).products).toHaveLength(1);
  expect(performance.now() - started).toBeLessThan(1_000 * inject("timeFactor"));
  expect(shop.log.filter(({ level }) => level === "error" || level === "warn")).toEqual([]);
}

describe("over HTTP/1.1", () => {
  test.each([
    [
      "content-length and transfer-encoding",
      400,
      "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["two lengths", 400, "content-length: 2\r\ncontent-length: 3\r\n\r\n{}"],
    ["a folded field", 400, "x-a: b\r\n  c\r\ncontent-length: 2\r\n\r\n{}"],
    ["a bare line feed", 400, "x-a: b\nx-b: c\r\ncontent-length: 2\r\n\r\n{}"],
    [
      "an unknown transfer-encoding",
      400,
      "transfer-encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
    ["a space before the colon", 400, "content-length : 2\r\n\r\n{}"],
    ["a negative length", 400, "content-length: -1\r\n\r\n{}"],
    [
      "16 KiB of chunk extension",
      413,
      `transfer-encoding: chunked\r\n\r\n2;${"x".repeat(17_000)}\r\n{}\r\n0\r\n\r\n`,
    ],
    ["20 KB of fields", 431, `x-a: ${"x".repeat(20_000)}\r\n\r\n`],
    ["2,100 fields", 431, `${"x-a: 123456\r\n".repeat(2_100)}\r\n`],
  ])("%s is refused", async (_name, status, rest) => {
    expect(await exchange(HEAD + rest)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    await unharmed();
  });

  test("a request without host is refused", async () => {
    const request = "GET /health/live HTTP/1.1\r\n\r\n";
    expect(await exchange(request)).toMatch(/^HTTP\/1.1 400 /);
  });

  test.each([
    ["the start of TLS", Buffer.from("16030100c8010000c40303", "hex")],
    ["noise", Buffer.from(Array.from({ length: 2_000 }, (_, i) => (i * 7919) % 256))],
  ])("%s instead of HTTP ends the connection", async (_name, bytes) => {
    expect(await exchange(bytes)).toMatch(/^$|^HTTP\/1.1 400 /);
    await unharmed();
  });

  async function exchange(request: string | Buffer): Promise<string> {
    const socket = connect(shop.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(request);
    let response = "";
    socket.on("data", (chunk) => {
      response += chunk;
    });
    await once(socket, "close");
    return response;
  }
});

describe("over HTTP/2", () => {
  const CALM = 0xb;
  const block = hpack(post(LIST));
  const opened = (stream: number, flags = END_HEADERS) => frame(HEADERS, flags, stream, block);
  const many = (count: number, one: (n: number) => Buffer) =>
    Buffer.concat(Array.from({ length: count }, (_, n) => one(n)));

  test.each([
    [
      "20,000 streams that are reset",
      many(20_000, (n) =>
        Buffer.concat([
          opened(2 * n + 1),
          frame(RST_STREAM, 0, 2 * n + 1, Buffer.from([0, 0, 0, 8])),
        ]),
      ),
    ],
    [
      "continuations without an end",
      Buffer.concat([
        opened(1, 0),
        many(5_000, () => frame(CONTINUATION, 0, 1, hpack([["x", "y".repeat(100)]]))),
      ]),
    ],
    [
      "empty continuations",
      Buffer.concat([opened(1, 0), many(20_000, () => frame(CONTINUATION, 0, 1))]),
    ],
    ["pings whose replies are not read", many(200_000, () => frame(PING, 0, 0, Buffer.alloc(8)))],
    [
      "settings whose replies are not read",
      many(200_000, () => frame(SETTINGS, 0, 0, Buffer.from([0, 3, 0, 0, 0, 1]))),
    ],
    ["empty data", Buffer.concat([opened(1), many(50_000, () => frame(DATA, 0, 1))])],
    ["a window that overflows", frame(WINDOW_UPDATE, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff]))],
    [
      "an index that HPACK does not have",
      frame(HEADERS, END_HEADERS, 1, Buffer.from([0xff, 0xff, 0x7f])),
    ],
    ["a frame larger than allowed", frame(DATA, 0, 1, Buffer.alloc(20_000))],
    ["a stream with an even number", opened(2)],
  ])("%s end the connection", async (name, bytes) => {
    const { socket, frames } = await rawPeer(shop.port, PREFACE);
    if (name.includes("not read")) socket.pause();
    const attack = once(socket, "close");
    socket.write(bytes);
    await Promise.all([unharmed(), attackEnds(attack, socket, name)]);
    void frames;
    await unharmed();
  });

  test.each([
    ["a field in upper case", [...post(LIST), ["X-A", "b"]]],
    ["a field of one connection", [...post(LIST), ["connection", "close"]]],
    ["a method twice", [[":method", "POST"], ...post(LIST)]],
    ["no path", post(LIST).filter(([name]) => name !== ":path")],
    ["200 fields", [...post(LIST), ...Array.from({ length: 200 }, (_, n) => [`x-${n}`, "y"])]],
  ] as [string, [string, string][]][])("a request with %s is refused", async (_name, fields) => {
    const { socket, frames } = await rawPeer(shop.port);
    sendFields(socket, fields);
    await until(
      () =>
        socket.destroyed ||
        frames.some(
          ({ type, stream }) => (type === RST_STREAM && stream === 1) || type === GOAWAY,
        ) ||
        frames.some(({ type, stream }) => type === HEADERS && stream === 1),
    );
    const refusal = frames.find(({ type }) => type === RST_STREAM || type === GOAWAY);
    // 431 in a response is a refusal as well.
    if (refusal === undefined && !socket.destroyed) expect(status(frames)).toMatch(/^4/);
    expect([undefined, 1, CALM, 7, 11]).toContain(
      refusal?.payload.readUInt32BE(refusal.type === GOAWAY ? 4 : 0),
    );
    socket.destroy();
    await unharmed();
  });

  test("a request with 100 KB of fields is refused", async () => {
    const { socket, frames } = await rawPeer(shop.port);
    const large = Array.from({ length: 100 }, () => ["x", "y".repeat(1_000)] as const);
    sendFields(socket, [...post(LIST), ...large]);
    await until(() => frames.some(({ type }) => type === HEADERS));
    expect(status(frames)).toBe("431");
    socket.destroy();
    await unharmed();
  });

  function sendFields(socket: Socket, fields: Parameters<typeof hpack>[0]): void {
    const bytes = hpack(fields);
    socket.write(frame(HEADERS, 0, 1, bytes.subarray(0, 16_000)));
    for (let at = 16_000; at < bytes.length; at += 16_000)
      socket.write(frame(CONTINUATION, 0, 1, bytes.subarray(at, at + 16_000)));
    socket.write(frame(CONTINUATION, END_HEADERS, 1));
  }

  const status = (frames: Awaited<ReturnType<typeof rawPeer>>["frames"]): string =>
    /4\d\d/.exec(String(frames.find(({ type }) => type === HEADERS)?.payload))?.[0] ?? "";

  async function attackEnds(closed: Promise<unknown>, socket: { resume(): unknown }, name: string) {
    if (name.includes("not read")) setTimeout(() => socket.resume(), 500);
    await closed;
  }
});
