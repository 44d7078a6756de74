import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import { afterEach, beforeEach, expect, test } from "vitest";
import { edgeBefore, type TestEdge } from "./edge.testing.ts";

const PAGE = "<!doctype html><title>Console</title>";
const BROWSER = { headers: { accept: "text/html,application/xhtml+xml" } };

let folder: TemporaryFolder;
let edge: TestEdge;

beforeEach(async () => {
  folder = await temporaryFolder("console");
  await mkdir(join(folder.path, "assets"));
  await writeFile(join(folder.path, "index.html"), PAGE);
  await writeFile(join(folder.path, "assets/index-abc.js"), "export {};");
  await writeFile(join(folder.path, "assets/index-abc.js.br"), "compressed");
  edge = await edgeBefore((_request, response) => response.end("reached"), {
    console: { folder: folder.path, settings: { lab: true } },
  });
});
afterEach(async () => {
  await edge?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const get = (path: string, init?: RequestInit) => fetch(edge.url + path, init);

test.each(["/", "/orders/01a2210e", "/sagas?state=RUNNING"])(
  "a browser that asks for %s gets the page, under the policy",
  async (path) => {
    const response = await get(path, BROWSER);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(PAGE);
    expect(response.headers.get("cache-control")).toBe("no-cache");
    const policy = response.headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("unsafe");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  },
);

test("a file with a hash in its name lasts, and comes compressed to who takes it", async () => {
  const path = "/assets/index-abc.js";
  const compressed = await get(path, { headers: { "accept-encoding": "br" } });
  expect(compressed.headers.get("content-encoding")).toBe("br");
  expect(compressed.headers.get("cache-control")).toContain("immutable");
  expect(compressed.headers.get("content-type")).toContain("javascript");
  await compressed.arrayBuffer().catch(() => {});
  const plain = await get(path, { headers: { "accept-encoding": "identity" } });
  expect(await plain.text()).toBe("export {};");
});

test("what is no page stays an error of the API", async () => {
  for (const path of ["/assets/none.js", "/order.v1.OrderService/None", "/%2e%2e/secrets.json"]) {
    const response = await get(path);
    expect(response.status, path).toBeGreaterThanOrEqual(400);
    expect(response.headers.get("content-type"), path).toContain("application/json");
  }
  const posted = await get("/orders", { ...BROWSER, method: "POST" });
  expect(posted.status).toBe(404);
});

test("a method of a service is not shadowed", async () => {
  const response = await get("/order.v1.CatalogService/ListProducts", BROWSER);
  expect(await response.text()).toBe("reached");
});

test("the settings say what is there", async () => {
  expect(await (await get("/console.json")).json()).toEqual({ lab: true });
});

test("a console that is not built says how to build it", async () => {
  await using other = await edgeBefore((_request, response) => response.end(), {
    console: { folder: undefined, settings: {} },
  });
  const response = await fetch(other.url, BROWSER);
  expect(response.status).toBe(503);
  expect(await response.text()).toContain("pnpm build");
});
