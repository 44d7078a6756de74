import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Host, host, until } from "./harness.ts";

const PROGRAM = new URL("../src/grpc-health-probe.ts", import.meta.url).pathname;
const SLOW = ["-connect-timeout=20s", "-rpc-timeout=20s"];

let shop: Host;
let stock: () => Promise<void> = async () => {};
beforeAll(async () => {
  shop = await host({ options: { dependencies: { stock: () => stock() } } });
});
afterAll(() => shop[Symbol.asyncDispose]());

function probe(...args: string[]): Promise<{ code: number; output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; output: string }>();
  execFile(process.execPath, [PROGRAM, ...args], (error, stdout, stderr) =>
    resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
  );
  return promise;
}

test("a server that is serving is healthy, and so is each of its services", async () => {
  const serving = { code: 0, output: "status: SERVING\n" };
  expect(await probe(`-addr=127.0.0.1:${shop.port}`, ...SLOW)).toEqual(serving);
  const named = ["--addr", `:${shop.port}`, "-service=order.v1.CatalogService"];
  expect(await probe(...named, ...SLOW)).toEqual(serving);
});

test("a service that is unknown, and one with a dependency down, are not", async () => {
  const unknown = await probe(`-addr=:${shop.port}`, "-service=no.v1.Such", ...SLOW);
  expect(unknown).toMatchObject({ code: 3, output: expect.stringContaining("grpc-status 5") });
  stock = () => Promise.reject(new Error("away"));
  await until(async () => (await fetch(`${shop.url}/health/ready`)).status === 503);
  expect(await probe(`-addr=:${shop.port}`, ...SLOW)).toEqual({
    code: 4,
    output: "status: NOT_SERVING\n",
  });
});

test("a closed port, a silent peer and wrong options have codes of their own", async () => {
  const silent = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as { port: number };
  expect(await probe(`-addr=:${port}`, "-connect-timeout=300ms")).toEqual({
    code: 2,
    output: `no connection to 127.0.0.1:${port} in 300 ms\n`,
  });
  silent.close();
  await once(silent, "close");
  expect(await probe(`-addr=:${port}`, ...SLOW)).toMatchObject({
    code: 2,
    output: expect.stringContaining("ECONNREFUSED"),
  });
  for (const args of [[], ["-addr=5012"], ["-addr=:1", "-rpc-timeout=1"], ["-tls"]])
    expect(await probe(...args)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/Usage:/),
    });
  expect(await probe("--help")).toMatchObject({ code: 0 });
});
