import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { freePort, type Inspector, type Memory, openInspector, table } from "@tercet/cli";
import { createApi, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isLate, persistently } from "./calls.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const CREATE = "/order.v1.OrderService/CreateOrder";
const LIST = "/order.v1.CatalogService/ListProducts";
const WATCH = "/order.v1.OrderService/WatchOrder";
const ROUNDS = 5;
/** Rounds until everything that is kept once is there: caches, pools, compiled code. */
const WARM_UP = 2;
/** The three rounds after that send more than 50 MB that is read. */
const MOST_MB = 4;

let folder: TestFolder;
let stack: Stack;
let sku: string;
let token: string;
let address: URL;
let inspector: Inspector;
beforeAll(async () => {
  folder = await testFolder();
  const port = await freePort();
  stack = await startTestStack(folder, {}, { NODE_OPTIONS: `--inspect=127.0.0.1:${port}` });
  inspector = await openInspector(port);
  const login = async ({ email, password }: { email: string; password: string }) =>
    (await createApi(stack.urls.edge).identity.login({ email, password })).accessToken;
  token = await login(stack.users.alice);
  sku = await putTeapots(createApi(stack.urls.edge, await login(stack.users.olivia)), 1_000_000n);
  address = new URL(stack.urls.order);
});
afterAll(async () => {
  inspector?.[Symbol.dispose]();
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

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
  const { orders } = createApi(stack.urls.edge, token);
  const silent = aTeapot(sku, "tok_timeout");
  const { id } = await persistently(() => orders.createOrder(silent, { timeoutMs: 500 }), isLate);
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

const kept = ({ heapMb = 0, externalMb = 0 }: Partial<Memory> = {}) => heapMb + externalMb;

test("memory is as before after every attack", async () => {
  const seen: Memory[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await attack();
    seen.push(await inspector.memory());
  }
  const mb = (value: number) => `${value.toFixed(1)} MB`;
  const rows = seen.map((memory, round): [string, string] => [
    `round ${round + 1}`,
    `${mb(kept(memory))} kept, ${mb(memory.residentMb)} resident`,
  ]);
  process.stdout.write(`${table(rows).join("\n")}\n`);
  const [warm, last] = [seen[WARM_UP - 1], seen.at(-1)];
  expect(kept(last) - kept(warm)).toBeLessThan(MOST_MB);
});
