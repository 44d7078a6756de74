import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import http2 from "node:http2";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { gate, host, until } from "./harness.ts";

const AGE_MS = 300;
const LIST = "/order.v1.CatalogService/ListProducts";
const JSON_POST = { ":method": "POST", ":path": LIST, "content-type": "application/json" };

/** Frame types (RFC 9113 section 6). */
const HEADERS = 0x1;
const SETTINGS = 0x4;
const PING = 0x6;
const GOAWAY = 0x7;
const ACK = 0x1;
/** The last stream that GOAWAY names when it refuses none. */
const NOTICE = 2 ** 31 - 1;

interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** GET /health/live in HPACK, by static and literal fields (RFC 7541). */
const getLive = (stream: number): Buffer => {
  const path = Buffer.from("/health/live");
  const fields = [
    Buffer.from([0x82, 0x86, 0x04, path.length]),
    path,
    Buffer.from([0x01, 1]),
    Buffer.from("x"),
  ];
  return frame(HEADERS, 0x4 | 0x1, stream, Buffer.concat(fields));
};

/** A peer whose frames the test writes. */
async function peer(
  port: number,
): Promise<{ readonly socket: Socket; readonly frames: readonly Frame[] }> {
  const socket = connect(port, "127.0.0.1");
  const frames: Frame[] = [];
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3);
      frames.push({ type: rest.readUInt8(3), payload: rest.subarray(9, end) });
      rest = rest.subarray(end);
    }
  });
  await once(socket, "connect");
  socket.write(
    Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(SETTINGS, 0, 0)]),
  );
  return { socket, frames };
}

const lastStreams = (frames: readonly Frame[]): number[] =>
  frames.filter(({ type }) => type === GOAWAY).map(({ payload }) => payload.readUInt32BE(0));

test("a call that crosses GOAWAY succeeds: the last stream is named after the peer's reply", async () => {
  await using shop = await host({ limits: { maxConnectionAgeMs: AGE_MS } });
  const { socket, frames } = await peer(shop.port);
  await until(() => frames.some(({ type }) => type === PING));
  expect(lastStreams(frames)).toEqual([NOTICE]);
  socket.write(getLive(1));
  await until(() => frames.some(({ type }) => type === HEADERS));
  expect(lastStreams(frames)).toEqual([NOTICE]);
  socket.write(frame(PING, ACK, 0, frames.find(({ type }) => type === PING)?.payload));
  await once(socket, "close");
  // Node sends GOAWAY again when it closes.
  expect(new Set(lastStreams(frames))).toEqual(new Set([NOTICE, 1]));
});

test("a peer that does not reply to the ping is not waited for", async () => {
  await using shop = await host({ limits: { maxConnectionAgeMs: AGE_MS } });
  const { socket, frames } = await peer(shop.port);
  await once(socket, "close");
  expect(new Set(lastStreams(frames))).toEqual(new Set([NOTICE, 0]));
});

test("an old HTTP/2 connection is closed after its last call, which succeeds", async () => {
  const release = gate();
  await using shop = await host({
    limits: { maxConnectionAgeMs: AGE_MS },
    catalog: {
      listProducts: async () => {
        await release.opened;
        return { products: [{ sku: "TEA" }] };
      },
    },
  });
  const session = http2.connect(shop.url);
  const call = session.request(JSON_POST);
  const responded = once(call, "response");
  call.end("{}");
  await once(session, "goaway");
  expect(session.destroyed).toBe(false);
  release.open();
  const [headers] = await responded;
  expect(headers[":status"]).toBe(200);
  call.resume();
  await once(session, "close");
});

test("an old HTTP/1.1 connection is closed after its next response", async () => {
  await using shop = await host({ limits: { maxConnectionAgeMs: AGE_MS } });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const connections: (string | undefined)[] = [];
  const started = performance.now();
  const ask = async () => {
    const response = await new Promise<IncomingMessage>((resolve, reject) =>
      http.get(`${shop.url}/health/live`, { agent }, resolve).on("error", reject),
    );
    await once(response.resume(), "end");
    connections.push(response.headers.connection);
    return response.headers.connection === "close";
  };
  await until(ask);
  expect(performance.now() - started).toBeGreaterThan(AGE_MS * 0.8);
  expect(connections[0]).toBe("keep-alive");
  agent.destroy();
});

test("during the drain delay, HTTP/1.1 connections are closed after their next response", async () => {
  const shop = await host({ config: { drainDelayMs: 60_000 } });
  const agent = new http.Agent({ keepAlive: true });
  const ask = async (path: string) => {
    const response = await new Promise<IncomingMessage>((resolve, reject) =>
      http.get(shop.url + path, { agent }, resolve).on("error", reject),
    );
    await once(response.resume(), "end");
    return response;
  };
  expect((await ask("/health/ready")).headers.connection).toBe("keep-alive");
  void shop[Symbol.asyncDispose]();
  await until(async () => (await ask("/health/ready")).statusCode === 503);
  expect((await ask("/health/live")).headers.connection).toBe("close");
  agent.destroy();
});
