import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, inject, test, vi } from "vitest";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

/** Responds to each piece with its name and that piece. */
async function startEcho(name: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {}).on("data", (bytes) => socket.write(`${name}:${bytes}`));
    socket.on("end", () => socket.end(`${name} heard the end`));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

const urlOf = (server: Server): string =>
  `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;

let echo: Server;
let proxy: TcpProxy;
const clients = new Set<Socket>();
beforeEach(async () => {
  echo = await startEcho("a");
  proxy = await startTcpProxy(urlOf(echo));
});
afterEach(async () => {
  for (const client of clients) client.destroy();
  clients.clear();
  await proxy[Symbol.asyncDispose]();
  echo.close();
});

/** The first bytes that the server receives from the next connection. */
const firstWords = () =>
  new Promise<string>((resolve) =>
    echo.once("connection", (socket: Socket) =>
      socket.once("data", (bytes) => resolve(String(bytes))),
    ),
  );

async function dial() {
  const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
  clients.add(socket);
  let heard = "";
  let error: string | undefined;
  socket.setEncoding("utf8").on("data", (text: string) => {
    heard += text;
  });
  socket.on("error", ({ code }: NodeJS.ErrnoException) => {
    error = code;
  });
  await once(socket, "connect");
  const hears = (text: string, timeout = 2_000) =>
    vi.waitFor(() => expect(heard).toBe(text), { timeout, interval: 5 });
  return {
    socket,
    hears,
    heard: () => heard,
    fails: (code: string) => vi.waitFor(() => expect(error).toBe(code)),
  };
}

test("bytes and ends pass both ways", async () => {
  const client = await dial();
  client.socket.write("hello");
  await client.hears("a:hello");
  client.socket.end();
  await client.hears("a:helloa heard the end");
});

test("connections go to each server in turn, and pass over one that is down", async () => {
  const second = await startEcho("b");
  proxy.to(urlOf(echo), urlOf(second));
  const answers = async () => {
    const client = await dial();
    client.socket.write("?");
    await vi.waitFor(() => expect(client.heard()).not.toBe(""));
    return client.heard();
  };
  expect([await answers(), await answers()].sort()).toEqual(["a:?", "b:?"]);
  second.close();
  for (const client of clients) client.destroy();
  await once(second, "close");
  expect([await answers(), await answers()]).toEqual(["a:?", "a:?"]);
});

test("latency delays each piece, and does not hold up those behind it", async () => {
  const client = await dial();
  proxy.inject({ latencyMs: 150 });
  const start = performance.now();
  client.socket.write("1");
  await new Promise((resolve) => setImmediate(resolve));
  client.socket.write("2");
  await vi.waitFor(() => expect(client.heard()).toContain("2"), { timeout: 2_000, interval: 5 });
  expect(performance.now() - start).toBeGreaterThan(290);
  expect(performance.now() - start).toBeLessThan(550 * inject("timeFactor"));
});

test("a narrow line takes its time, and loses nothing", async () => {
  const client = await dial();
  proxy.inject({ bytesPerSecond: 4_000 });
  const start = performance.now();
  client.socket.write("x".repeat(1_000));
  await vi.waitFor(() => expect(client.heard().replaceAll("a:", "")).toHaveLength(1_000), {
    timeout: 5_000,
    interval: 5,
  });
  // There and back.
  expect(performance.now() - start).toBeGreaterThan(240);
});

test("a black hole swallows nothing for good: when it is closed, everything arrives", async () => {
  const client = await dial();
  proxy.inject({ blackHole: true });
  client.socket.write("hello");
  const later = await dial();
  later.socket.write("later");
  await expect(client.hears("a:hello", 200)).rejects.toThrow();
  expect(later.heard()).toBe("");
  proxy.inject();
  await client.hears("a:hello");
  await later.hears("a:later");
});

test("a reset ends connections by RST, and new ones work", async () => {
  const client = await dial();
  client.socket.write("hello");
  await client.hears("a:hello");
  proxy.reset();
  await client.fails("ECONNRESET");
  const next = await dial();
  next.socket.write("again");
  await next.hears("a:again");
});

test("a half-closed connection still takes what the client says", async () => {
  const received = firstWords();
  const client = await dial();
  await vi.waitFor(() => expect(proxy.connections).toBe(1));
  proxy.halfClose();
  await once(client.socket.resume(), "end");
  client.socket.write("still here");
  expect(await received).toBe("still here");
});

test("a lost reply: the server has done it, the client is reset", async () => {
  const other = await dial();
  other.socket.write("look");
  await other.hears("a:look");
  const received = firstWords();
  const dropped = proxy.dropReply((bytes) => bytes.includes("pay"));
  const client = await dial();
  client.socket.write("pay");
  await dropped;
  expect(await received).toBe("pay");
  await client.fails("ECONNRESET");
  expect(client.heard()).toBe("");
  other.socket.write("!");
  await other.hears("a:looka:!");
});
