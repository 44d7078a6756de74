import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import http2 from "node:http2";
import { expect, test } from "vitest";
import {
  END_HEADERS,
  END_STREAM,
  type Frame,
  frame,
  GOAWAY,
  HEADERS,
  hpack,
  PING,
  rawPeer,
} from "./frames.ts";
import { gate, host, until } from "./harness.ts";

const AGE_MS = 300;
const LIST = "/order.v1.CatalogService/ListProducts";
const JSON_POST = { ":method": "POST", ":path": LIST, "content-type": "application/json" };

const ACK = 0x1;
/** The last stream that GOAWAY names when it refuses none. */
const NOTICE = 2 ** 31 - 1;

const getLive = (stream: number): Buffer =>
  frame(
    HEADERS,
    END_HEADERS | END_STREAM,
    stream,
    hpack([
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/health/live"],
      [":authority", "x"],
    ]),
  );

const lastStreams = (frames: readonly Frame[]): number[] =>
  frames.filter(({ type }) => type === GOAWAY).map(({ payload }) => payload.readUInt32BE(0));

test("a call that crosses GOAWAY succeeds: the last stream is named after the peer's reply", async () => {
  await using shop = await host({ limits: { maxConnectionAgeMs: AGE_MS } });
  const { socket, frames } = await rawPeer(shop.port);
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
  const { socket, frames } = await rawPeer(shop.port);
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
