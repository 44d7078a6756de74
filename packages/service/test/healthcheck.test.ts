import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Host, host, until } from "./harness.ts";

const PROGRAM = new URL("../src/healthcheck.ts", import.meta.url).pathname;

let shop: Host;
let stock: () => Promise<void> = async () => {};
beforeAll(async () => {
  shop = await host({ options: { dependencies: { stock: () => stock() } } });
});
afterAll(() => shop[Symbol.asyncDispose]());

function healthcheck(port: number): Promise<{ code: number; output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; output: string }>();
  execFile(process.execPath, [PROGRAM], { env: { PORT: String(port) } }, (error, _, output) =>
    resolve({ code: Number(error?.code ?? 0), output }),
  );
  return promise;
}

test("a ready service is healthy, and one with a dependency down is not", async () => {
  expect(await healthcheck(shop.port)).toEqual({ code: 0, output: "" });
  stock = () => Promise.reject(new Error("away"));
  await until(async () => (await fetch(`${shop.url}/health/ready`)).status === 503);
  expect(await healthcheck(shop.port)).toEqual({ code: 1, output: "HTTP 503\n" });
});

test("a closed port and a silent peer are not healthy", async () => {
  // It reads, so that it notices a closed connection.
  const silent = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as { port: number };
  expect(await healthcheck(port)).toEqual({ code: 1, output: "no response in 2 s\n" });
  silent.close();
  await once(silent, "close");
  expect(await healthcheck(port)).toMatchObject({
    code: 1,
    output: expect.stringContaining("ECONNREFUSED"),
  });
});
