import { join } from "node:path";
import { freePort, ROOT, services } from "@tercet/cli";
import { afterAll, beforeAll, expect, test } from "vitest";
import { patient } from "./patience.ts";
import { type Copy, copyRepository } from "./tutorial/copy.ts";
import { follow } from "./tutorial/follow.ts";

/** Installs, builds, generates, and starts the system twice. */
const SLOW = patient(600_000);
const PORT = Math.max(...services.map(({ port }) => port)) + 1;

let copy: Copy;
beforeAll(async () => {
  copy = await copyRepository();
}, SLOW);
afterAll(() => copy?.[Symbol.asyncDispose]());

test(
  "the tutorial works as it is written",
  async () => {
    const own: Record<string, number> = { EDGE_PORT: await freePort() };
    for (const { name } of services) own[`${name.toUpperCase()}_PORT`] = await freePort();
    own["SHIPPING_PORT"] = await freePort();
    own["POSTGRES_PORT"] = await freePort();
    const output = await follow(join(ROOT, "docs/tutorials/first-service.md"), {
      cwd: copy.path,
      env: Object.fromEntries(Object.entries(own).map(([name, port]) => [name, String(port)])),
      // Other tests have the ports that the tutorial names.
      replace: { ":8000/": `:${own["EDGE_PORT"]}/`, [`:${PORT}/`]: `:${own["SHIPPING_PORT"]}/` },
    });
    expect(output).toMatch(/\n {2}"name": "Books"/);
    expect(output).toMatch(/"name":"Tea"/);
    expect(output).toMatch(/\n {2}"weightGrams": 1200/);
    expect(output).toMatch(/^\?\? packages\/shipping\/$/m);
  },
  SLOW,
);

test(
  "the skeleton of a saga passes its test",
  async () => {
    await copy.run("npx", "-y", "pnpm", "new", "saga", "return-goods");
    const { stdout } = await copy.run(
      ...(["vitest", "run", "packages/order/src/return-goods-saga.test.ts"] as const),
    );
    expect(stdout).toMatch(/Tests +3 passed/);
  },
  SLOW,
);

test(
  "what was created passes the checks that guard what is there",
  async () => {
    const only = [
      ...["types", "biome", "unused", "migrations", "contracts", "buf-lint", "buf-format"],
      ...["access", "policy", "golden", "gateway", "imports", "services", "observability"],
      ...["charts", "chart-files", "manifests", "overlays", "prometheus", "shell", "dockerfile"],
    ].flatMap((name) => ["--only", name]);
    const { stdout } = await copy.run("node", "--conditions=source", "scripts/verify.ts", ...only);
    expect(stdout).toMatch(/ 0 failed,/);
  },
  SLOW,
);

test("a service that cannot be is refused in words, and nothing is written", async () => {
  const before = (await copy.run("git", "status", "--short")).stdout;
  const refused = ["service", "order", "--resource", "store", "--port", "5010"];
  await expect(
    copy.run("node", "--conditions=source", "scripts/new.ts", ...refused),
  ).rejects.toThrow(
    /packages\/order or proto\/order is there already\n.*the resource "store".*\n.*the port 5010 is identity's/,
  );
  expect((await copy.run("git", "status", "--short")).stdout).toBe(before);
});
