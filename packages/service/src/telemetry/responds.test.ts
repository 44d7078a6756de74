import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import { expect, inject, onTestFinished, test } from "vitest";
import { responds } from "./responds.ts";

async function urlOf(server: Server): Promise<string> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const patient = (ms: number) => ms * inject("timeFactor");

test("a server of any protocol responds, whatever it says", async () => {
  const plain = await urlOf(createHttp((_request, response) => response.writeHead(404).end()));
  const grpc = await urlOf(createHttp2());
  const rude = await urlOf(createServer((socket) => socket.destroy()));
  for (const url of [plain, grpc, rude])
    expect(await responds(`${url}/v1/traces`, patient(5_000))).toBe(true);
});

test("one that says nothing does not, after the limit", async () => {
  const silent = await urlOf(createServer(() => {}));
  const start = performance.now();
  expect(await responds(silent, 100)).toBe(false);
  expect(performance.now() - start).toBeGreaterThan(99);
});

test("where nothing listens nothing responds, at once", async () => {
  const server = createServer();
  const url = await urlOf(server);
  await new Promise((closed) => server.close(closed));
  const start = performance.now();
  expect(await responds(url, patient(10_000))).toBe(false);
  expect(performance.now() - start).toBeLessThan(patient(5_000));
});
