import { execFile } from "node:child_process";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { chromiumOnPath, freePort, onPath, ROOT } from "@tercet/cli";
import { listFiles } from "@tercet/cli/repository";
import type { Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPage } from "./clients/browser/browser.ts";
import { copyExample } from "./copied-example.ts";
import { packGen } from "./gen-package.ts";
import { patient } from "./patience.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { startTool } from "./tool.ts";

/** The examples, each as a stranger runs it: copied out of the repository, against a stack. */
const run = promisify(execFile);
const SCREEN_LINES = 80;
const CONFIRMED = /^order [0-9a-f-]{36}: (?:ORDER_STATUS_)?CONFIRMED/m;

const [goPath, chromiumPath] = await Promise.all([
  required("go"),
  required("chromium", chromiumOnPath),
]);

async function required(name: string, find = onPath): Promise<string | undefined> {
  const path = await find(name);
  if (path === undefined) process.stderr.write(`WITHOUT ${name}: its example does not run\n`);
  return path;
}

let folder: TestFolder;
let stack: Stack;
let tarball: string;

beforeAll(async () => {
  folder = await testFolder();
  tarball = await packGen(folder.path);
  stack = await startTestStack(folder);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const example = (name: string) => copyExample(name, folder.path, tarball);

test("curl: an order, and its repetition", async () => {
  const cwd = join(ROOT, "examples/curl");
  const env = { ...process.env, TERCET_URL: stack.urls.edge };
  const { stdout } = await run("sh", ["place-order.sh"], { cwd, env });
  expect(stdout).toMatch(/^order ([0-9a-f-]{36}): CONFIRMED\nagain \1: the same order\n$/);
});

test("node: an order over gRPC, followed to its end; a refusal by its reason", async () => {
  const cwd = await example("node");
  const { identity, order } = stack.urls;
  const env = { ...process.env, IDENTITY_URL: identity, ORDER_URL: order };
  const place = (token: string) => run(process.execPath, ["place-order.ts", token], { cwd, env });
  expect((await place("tok_visa")).stdout).toMatch(CONFIRMED);
  expect((await place("tok_declined")).stdout).toMatch(/: REJECTED PAYMENT_DECLINED$/m);
  await expect(place("not a token")).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("INVALID_FIELD"),
  });
});

test.skipIf(goPath === undefined)(
  "go: generated from a copy of proto/, an order over gRPC",
  async () => {
    const cwd = join(folder.path, "go");
    await cp(join(ROOT, "examples/go"), cwd, { recursive: true });
    await cp(join(ROOT, "proto"), join(folder.path, "copied"), { recursive: true });
    await run(join(ROOT, "node_modules/.bin/buf"), ["generate", "../copied"], { cwd });
    await run("go", ["vet", "."], { cwd });
    const { identity, order } = stack.urls;
    const env = {
      ...process.env,
      IDENTITY_ADDRESS: new URL(identity).host,
      ORDER_ADDRESS: new URL(order).host,
    };
    const { stdout } = await run("go", ["run", "."], { cwd, env });
    expect(stdout).toMatch(CONFIRMED);
  },
  patient(300_000),
);

test.skipIf(chromiumPath === undefined)(
  "web: a customer logs in, buys, reloads, and logs out",
  async () => {
    const cwd = await example("web");
    const vite = join(cwd, "node_modules/vite/bin/vite.js");
    await run(join(ROOT, "node_modules/.bin/tsc"), [], { cwd });
    await run(process.execPath, [vite, "build"], { cwd });
    const port = await freePort();
    const origin = `http://localhost:${port}`;
    const args = [vite, "preview", cwd, "--host", "localhost", "--port", `${port}`, "--strictPort"];
    const env = { TERCET_URL: stack.urls.edge };
    await using _site = await startTool({ path: process.execPath, args, env, readyUrl: origin });
    await using browser = await openPage(chromiumPath ?? "", { origin });
    const { page } = browser;
    page.setDefaultTimeout(patient(10_000));
    const calls: string[] = [];
    page.on("request", (request) => void calls.push(request.url().split("/").at(-1) ?? ""));

    const { email, password } = stack.users.alice;
    await page.getByLabel("Email").fill(email);
    await page.getByLabel("Password").fill("wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("unauthenticated").waitFor();
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("button", { name: "Buy MUG-BLUE" }).click();
    await page.getByTestId("order").getByText("CONFIRMED, €").waitFor();

    // The access token is gone with the page: the refresh token gets another one, once.
    calls.length = 0;
    await page.reload();
    await page.getByTestId("order").getByText("CONFIRMED, €").waitFor();
    expect(calls.filter((name) => name === "Refresh")).toHaveLength(1);

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Email").waitFor();
    await page.reload();
    await page.getByLabel("Email").waitFor();
  },
  patient(120_000),
);

test("each file is on one screen", async () => {
  const files = (await listFiles()).filter((path) => /^examples\/.*\.(?:go|sh|tsx?)$/.test(path));
  expect(files.length).toBeGreaterThan(5);
  for (const path of files) {
    const lines = (await readFile(join(ROOT, path), "utf8")).trimEnd().split("\n");
    expect(lines.length, path).toBeLessThanOrEqual(SCREEN_LINES);
  }
});
