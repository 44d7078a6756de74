import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, ROOT } from "@tercet/cli";
import { parseKongConfig } from "@tercet/gateway";
import type { Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startKong } from "./kong/kong.ts";
import { patient } from "./patience.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";

/**
 * The scripts that `helm test` runs in the cluster, here against the same services without a
 * cluster.
 */
let folder: TestFolder;
let stack: Stack;

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder);
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function helmTest(name: string, env: Record<string, string>): Promise<Finished> {
  const script = join(ROOT, "charts/tercet/tests", `${name}.mjs`);
  const run = promisify(execFile)(process.execPath, [script], { env, timeout: patient(60_000) });
  return await run.then(
    (said) => ({ code: 0, ...said }),
    (error) => error as Finished,
  );
}

const urls = () => {
  const { identity, order, payment } = stack.urls;
  return { identity, order, payment };
};

test("health: every service serves", async () => {
  const { identity, order, payment } = urls();
  const SERVICES = `${identity}/identity.v1.IdentityService ${order}/order.v1.OrderService\n${payment}/payment.v1.PaymentService`;
  const { code, stdout } = await helmTest("health", { SERVICES });
  expect(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.split(": ").at(-1)),
  ).toEqual(["SERVING", "SERVING", "SERVING"]);
  expect(code).toBe(0);
});

test("health: a service that is not known, and one that does not answer, fail it", async () => {
  const unused = `http://127.0.0.1:${await freePort()}`;
  const { code, stdout } = await helmTest("health", {
    SERVICES: `${urls().order}/order.v1.NoService ${unused}/order.v1.OrderService`,
    WAIT_SECONDS: "1",
  });
  expect(stdout).toMatch(/^order\.v1\.NoService at .*: grpc-status 5$/m);
  expect(stdout).toMatch(/^order\.v1\.OrderService at .*: .*ECONNREFUSED/m);
  expect(code).toBe(1);
});

/**
 * Where NetworkPolicies are enforced, a pod's first connections are refused until the network
 * plugin knows its address.
 */
test.each([
  ["health", "order.v1.OrderService at"],
  ["order", "ORDER_STATUS_CONFIRMED"],
])("%s: a service whose first connections are refused is asked again", async (name, said) => {
  await using order = await startRefusing(urls().order, 2);
  const env = { IDENTITY_URL: urls().identity, ORDER_URL: order.url, CATALOG_URL: urls().order };
  const SERVICES = `${order.url}/order.v1.OrderService`;
  expect(await helmTest(name, { ...env, SERVICES })).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(said),
  });
});

/** A relay to the URL that refuses its first connections. */
async function startRefusing(
  target: string,
  refusals: number,
): Promise<AsyncDisposable & { readonly url: string }> {
  const { hostname, port } = new URL(target);
  let seen = 0;
  const server = createServer((caller) => {
    seen += 1;
    if (seen <= refusals) return void caller.resetAndDestroy();
    const callee = connect(Number(port), hostname);
    caller.pipe(callee).pipe(caller);
    for (const socket of [caller, callee]) socket.on("error", () => socket.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

test("order: a new customer's order is confirmed, with the operator's product and without", async () => {
  const { identity, order } = urls();
  const env = { IDENTITY_URL: identity, ORDER_URL: order, CATALOG_URL: order };
  const made = await helmTest("order", { ...env, OPERATOR_PASSWORD: stack.users.olivia.password });
  expect(made).toMatchObject({
    stderr: "",
    code: 0,
    stdout: expect.stringMatching(/^order \S+ of 1 HELM-TEST: ORDER_STATUS_CONFIRMED$/m),
  });
  const found = await helmTest("order", env);
  expect(found).toMatchObject({
    stderr: "",
    code: 0,
    stdout: expect.stringMatching(/^order \S+ of 1 (?!HELM-TEST)\S+: ORDER_STATUS_CONFIRMED$/m),
  });
});

test("order: through Kong's routes, as in the cluster", async () => {
  const config = parseKongConfig(
    await readFile(new URL("../../../../gateway/kong.yml", import.meta.url), "utf8"),
  );
  // The edge serves the console's pages too.
  await using kong = await startKong(config, { ...stack.urls, console: stack.urls.edge });
  const env = {
    IDENTITY_URL: kong.url,
    ORDER_URL: kong.url,
    CATALOG_URL: urls().order,
    OPERATOR_PASSWORD: stack.users.olivia.password,
  };
  // The seeded operator logs in through Kong, and creates the product at Order itself, which Kong
  // does not expose.
  expect(await helmTest("order", env)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("ORDER_STATUS_CONFIRMED"),
  });
});

test("order: a password that is wrong fails it, and says where", async () => {
  const { identity, order } = urls();
  const { code, stderr } = await helmTest("order", {
    IDENTITY_URL: identity,
    ORDER_URL: order,
    CATALOG_URL: order,
    OPERATOR_PASSWORD: "not this one",
  });
  expect(code).toBe(1);
  expect(stderr).toContain("identity.v1.IdentityService/Login at ");
});
