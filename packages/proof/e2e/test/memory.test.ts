import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { table } from "@tercet/cli";
import { createApi, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const CREATE = "/order.v1.OrderService/CreateOrder";
const LIST = "/order.v1.CatalogService/ListProducts";
const WATCH = "/order.v1.OrderService/WatchOrder";
const ROUNDS = 8;
/** Rounds until the heap has its size. */
const WARM_UP = 2;
/** When ended sessions were kept for a minute, it was 1.25. */
const GROWTH = 1.2;

let folder: TestFolder;
let stack: Stack;
let sku: string;
let token: string;
let address: URL;
beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder);
  const login = async ({ email, password }: { email: string; password: string }) =>
    (await createApi(stack.urls.edge).identity.login({ email, password })).accessToken;
  token = await login(stack.users.alice);
  sku = await putTeapots(createApi(stack.urls.edge, await login(stack.users.olivia)), 1_000_000n);
  address = new URL(stack.urls.order);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const isLinux = process.platform === "linux";
if (!isLinux) process.stderr.write("WITHOUT /proc: no resident memory is measured\n");

/** The resident memory of Order's process, in MB. */
async function residentMb(): Promise<number> {
  const status = await readFile(`/proc/${stack.services.order.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024;
}

/** Repeats an attack, some at a time. Whether a single one is refused, other tests say. */
async function repeat(times: number, atOnce: number, attack: (n: number) => Promise<unknown>) {
  let next = 0;
  const worker = async () => {
    while (next < times) await attack(next++).catch(() => {});
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

const send = async (
  path: string,
  headers: Record<string, string>,
  body: string | Buffer<ArrayBuffer>,
) => {
  const response = await fetch(new URL(path, address), {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, ...headers },
    body,
  });
  await response.arrayBuffer();
};

/** Sends bytes on a connection of its own, and ends it. */
async function sendRaw(bytes: string): Promise<void> {
  const socket = connect(Number(address.port), address.hostname);
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.end(bytes);
  socket.resume();
  setTimeout(() => socket.destroy(), 200);
  await once(socket, "close");
}

/** Opens streams on a session of its own, and resets each. */
async function resetStreams(): Promise<void> {
  const session = connectHttp2(address.origin);
  session.on("error", () => {});
  await once(session, "connect");
  for (let n = 0; n < 100; n++) {
    const stream = session.request({ ":method": "POST", ":path": LIST });
    stream.on("error", () => {});
    stream.close(8);
  }
  session.close();
  await once(session, "close");
}

/** Watches an order, and goes away without a word. */
async function abandonWatch(orderId: string): Promise<void> {
  const message = Buffer.from(JSON.stringify({ orderId }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const leaving = new AbortController();
  const response = await fetch(new URL(WATCH, address), {
    method: "POST",
    headers: { "content-type": "application/connect+json", authorization: `Bearer ${token}` },
    body: Buffer.concat([head, message]),
    signal: leaving.signal,
  });
  await response.body?.getReader().read();
  leaving.abort();
}

const BOMB = gzipSync(Buffer.alloc(64_000, Buffer.from([0x12, 0])));
const PROTO = { "content-type": "application/proto" };
const JSON_TYPE = { "content-type": "application/json" };

async function attack(): Promise<void> {
  const { id } = await createApi(stack.urls.edge, token).orders.createOrder(
    aTeapot(sku, "tok_timeout"),
    { timeoutMs: 500 },
  );
  await repeat(200, 8, () => send(CREATE, { ...PROTO, "content-encoding": "gzip" }, BOMB));
  await repeat(200, 8, () => send(CREATE, PROTO, Buffer.alloc(64_000, Buffer.from([0x12, 0]))));
  await repeat(100, 8, () => send(LIST, JSON_TYPE, "[".repeat(60_000)));
  await repeat(50, 8, () => send(LIST, JSON_TYPE, Buffer.alloc(2_000_000, " ")));
  await repeat(300, 8, (n) => send(CREATE, PROTO, Buffer.alloc(1_000, n)));
  await repeat(500, 50, () => sendRaw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  await repeat(300, 50, () =>
    sendRaw(
      `POST ${CREATE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n{`,
    ),
  );
  await repeat(300, 50, () => sendRaw(`GET /${"x".repeat(8_000)}`));
  await repeat(30, 3, resetStreams);
  await repeat(100, 8, () => abandonWatch(id));
}

test.skipIf(!isLinux)("memory is as before after every attack", async () => {
  const seen: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await attack();
    // Calls as usual, so that what was left is collected.
    await repeat(500, 8, () => send(LIST, JSON_TYPE, "{}"));
    seen.push(await residentMb());
  }
  const rows = seen.map((mb, round): [string, string] => [String(round + 1), mb.toFixed(0)]);
  process.stdout.write(`${table([["round", "MB resident"], ...rows]).join("\n")}\n`);
  const [warm = 0] = seen.slice(WARM_UP);
  expect(seen.at(-1)).toBeLessThan(warm * GROWTH);
});
