import { execFile } from "node:child_process";
import { join } from "node:path";
import { freePort, ROOT } from "@tercet/cli";
import { logIn, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { onPath } from "./tool.ts";

const grpcurl = await onPath("grpcurl");
if (grpcurl === undefined)
  process.stderr.write(
    "WITHOUT grpcurl: infra/scripts/smoke.sh is not tried over gRPC (pnpm tools grpcurl)\n",
  );

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

/**
 * Runs a script with only the environment that is given: none of the machine's settings or secrets.
 */
function script(
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; said: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; said: string }>();
  execFile(
    join(ROOT, "infra/scripts", name),
    args,
    { env: { PATH: process.env["PATH"], ...env } },
    (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), said: stdout + stderr }),
  );
  return promise;
}

test("smoke.sh registers, logs in, and has an order confirmed at the edge", async () => {
  const { code, said } = await script("smoke.sh", [stack.urls.edge], { GRPC_TARGET: "" });
  expect({ code, said }).toMatchObject({
    code: 0,
    said: expect.stringMatching(
      /registered .*\nlogged in .*\nordered .*\nconfirmed .*and read again/,
    ),
  });
});

test.skipIf(grpcurl === undefined)("smoke.sh reads the order over gRPC too", async () => {
  const target = new URL(stack.urls.order).host;
  expect(await script("smoke.sh", [stack.urls.edge], { GRPC_TARGET: target })).toMatchObject({
    code: 0,
    said: expect.stringContaining("over gRPC too"),
  });
  const unused = `127.0.0.1:${await freePort()}`;
  expect(await script("smoke.sh", [stack.urls.edge], { GRPC_TARGET: unused })).toMatchObject({
    code: 1,
    said: expect.stringContaining("FAILED"),
  });
});

test("smoke.sh names the URL that does not respond, and exits with 1", async () => {
  const unused = `http://127.0.0.1:${await freePort()}`;
  expect(await script("smoke.sh", [unused])).toMatchObject({
    code: 1,
    said: expect.stringMatching(/FAILED +identity.v1.IdentityService\/Register: curl/),
  });
});

test("smoke.sh does not take an order that is not confirmed for one that is", async () => {
  await stack.services.payment.stop();
  try {
    // Order waits for Payment within the caller's deadline and returns PENDING; then smoke.sh polls
    // the order.
    const child = script("smoke.sh", [stack.urls.edge], { GRPC_TARGET: "" });
    expect(await child).toMatchObject({
      code: 1,
      said: expect.stringMatching(/FAILED +order \S+ of one \S+ is ORDER_STATUS_/),
    });
  } finally {
    await stack.services.payment.start();
  }
});

test("seed.sh puts products into the catalog once, and leaves what an operator changed", async () => {
  const { password } = stack.users.olivia;
  const seed = () =>
    script("seed.sh", [stack.urls.identity, stack.urls.order], { OPERATOR_PASSWORD: password });
  expect(await seed()).toMatchObject({
    code: 0,
    said: expect.stringContaining("in the catalog: KETTLE"),
  });
  const { catalog } = await logIn(stack.urls.edge, stack.users.olivia);
  const stockOf = async (sku: string) =>
    (await catalog.listProducts({ pageSize: 100 })).products.find((product) => product.sku === sku)
      ?.stock;
  expect(await stockOf("KETTLE")).toBe(150n);
  await catalog.adjustStock({ sku: "KETTLE", delta: -50n, requestId: crypto.randomUUID() });
  expect(await seed()).toMatchObject({ code: 0 });
  expect(await stockOf("KETTLE")).toBe(100n);
});

test("seed.sh says so when olivia has another password", async () => {
  const urls = [stack.urls.identity, stack.urls.order];
  expect(await script("seed.sh", urls, { OPERATOR_PASSWORD: "not olivia's" })).toMatchObject({
    code: 1,
    said: expect.stringContaining("could not log in"),
  });
});

test.each(["compose-env.sh", "compose-up.sh", "seed.sh", "smoke.sh"])(
  "%s says what it does",
  async (name) => {
    expect(await script(name, ["--help"])).toMatchObject({
      code: 0,
      said: expect.stringMatching(new RegExp(`^Usage: infra/scripts/${name}`)),
    });
    // compose-up.sh passes options on.
    if (name === "compose-up.sh") return;
    expect(await script(name, ["--no-such-option"])).toMatchObject({
      code: 2,
      said: expect.stringContaining("Usage: "),
    });
  },
);
