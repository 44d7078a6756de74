import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Stack } from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";

const LIST = "order.v1.CatalogService/ListProducts";
const CREATE = "order.v1.OrderService/CreateOrder";

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

/** Resolves to the status and the body. */
async function curl(...args: string[]): Promise<{ status: number; body: string }> {
  const format = ["-sS", "-w", "\n%{http_code}"];
  const { stdout } = await promisify(execFile)("curl", [...format, ...args]);
  const end = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) };
}

const addresses = (): [string, string][] => [
  ["the edge", stack.urls.edge],
  ["the edge's second port", `http://127.0.0.1:${stack.ports.edge_grpc}`],
  ["order's own port", stack.urls.order],
];
const JSON_TYPE = ["-H", "content-type: application/json"];

test("curl gets the same from every port, by HTTP/1.1 and by HTTP/2, with and without Expect", async () => {
  for (const [name, url] of addresses())
    for (const option of [
      [],
      ["-H", "expect: 100-continue"],
      ["--http2-prior-knowledge"],
      ["--http2"],
    ]) {
      const { status, body } = await curl(...option, ...JSON_TYPE, "-d", "{}", `${url}/${LIST}`);
      expect(status, `${name} ${option}`).toBe(200);
      expect(JSON.parse(body)).toHaveProperty("products");
    }
});

test("a body that curl announces by itself, of 2 MB, is refused for its size, and not for that", async () => {
  const file = join(folder.path, "large.json");
  await writeFile(file, Buffer.alloc(2_000_000, " "));
  for (const [name, url] of addresses()) {
    const sent = await curl(...JSON_TYPE, "--data-binary", `@${file}`, `${url}/${LIST}`);
    expect(sent.status, name).toBe(429);
    expect(JSON.parse(sent.body)).toMatchObject({ code: "resource_exhausted" });
  }
});

test("curl without a content type gets an error that says what to add", async () => {
  for (const [, url] of addresses())
    expect(await curl("-d", "{}", `${url}/${LIST}`)).toEqual({
      status: 415,
      body: JSON.stringify({
        code: "unknown",
        message:
          "ListProducts does not read a request with the content type application/x-www-form-urlencoded: add the header content-type: application/json",
      }),
    });
});

test("/health is there beside /health/live and /health/ready, at every port", async () => {
  for (const [, url] of [...addresses(), ["", stack.urls.identity], ["", stack.urls.payment]])
    for (const path of ["/health", "/health/live", "/health/ready"])
      expect((await fetch(url + path)).status).toBe(200);
});

test("Java's and .NET's connection fields do no harm", async () => {
  for (const [, url] of addresses()) {
    const headers = {
      connection: "Keep-Alive, Upgrade, HTTP2-Settings",
      "keep-alive": "timeout=60, max=100",
      upgrade: "h2c",
      "http2-settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
      "content-type": "application/json",
    };
    const call = request(`${url}/${LIST}`, { method: "POST", headers }).end("{}");
    const [response] = await once(call, "response");
    expect(response.resume().statusCode).toBe(200);
  }
});

describe("a page of another origin of this machine", () => {
  const PAGE = "http://localhost:5173";
  test.each([
    ["edge", LIST],
    ["edge", "auth/login"],
    ["edge", "auth/me"],
    ["identity", "identity.v1.IdentityService/Login"],
    ["order", CREATE],
    ["payment", "payment.v1.PaymentService/GetPayment"],
  ] as const)("may call %s's /%s, by default", async (name, path) => {
    const url = `${stack.urls[name]}/${path}`;
    const preflight = await fetch(url, {
      method: "OPTIONS",
      headers: {
        origin: PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe(PAGE);
    const refused = await fetch(url, { method: "POST", headers: { origin: PAGE }, body: "{}" });
    expect(refused.status).toBeGreaterThanOrEqual(400);
    expect(refused.headers.get("access-control-allow-origin")).toBe(PAGE);
  });
});

test("a call with a deadline of 2 s to a frozen service ends after 2 s, in Connect's terms", async () => {
  const pid = stack.services.order.pid ?? 0;
  process.kill(pid, "SIGSTOP");
  try {
    const started = performance.now();
    const response = await fetch(`${stack.urls.edge}/${LIST}`, {
      method: "POST",
      headers: { "content-type": "application/json", "connect-timeout-ms": "2000" },
      body: "{}",
    });
    const tookMs = performance.now() - started;
    expect(response.status).toBe(504);
    expect(await response.json()).toEqual({
      code: "deadline_exceeded",
      message: "the order service did not respond in time",
    });
    expect(tookMs).toBeGreaterThan(1_990);
    expect(tookMs).toBeLessThan(3_000 * inject("timeFactor"));
  } finally {
    process.kill(pid, "SIGCONT");
  }
});
