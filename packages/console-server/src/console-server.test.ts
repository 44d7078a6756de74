import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { envToConfig } from "./config.ts";
import { type ConsoleServer, startConsoleServer } from "./console-server.ts";
import { SITE_HEADERS } from "./console-site.ts";

const PAGE = "<!doctype html><title>Console</title>";
const BROWSER = { headers: { accept: "text/html,application/xhtml+xml" } };

let folder: string;
let server: ConsoleServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "console-server-"));
  await mkdir(join(folder, "assets"));
  await writeFile(join(folder, "index.html"), PAGE);
  await writeFile(join(folder, "assets/index-abc.js"), "export {};");
  server = await startConsoleServer(
    envToConfig({ HOST: "127.0.0.1", PORT: "0", CONSOLE_LOGS_URL: "http://logs/{orderId}" }),
    folder,
  );
});
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const get = (path: string, init?: RequestInit) => fetch(server.url + path, init);

test("every response is under the policy, also that there is no such file", async () => {
  for (const [path, status, init] of [
    ["/", 200, BROWSER],
    ["/orders/01a2210e", 200, BROWSER],
    ["/orders/01a2210e", 200, { ...BROWSER, method: "HEAD" }],
    ["/assets/index-abc.js", 200, {}],
    ["/console.json", 200, {}],
    ["/assets/none.js", 404, {}],
    ["/%2e%2e/%2e%2e/etc/passwd", 404, {}],
  ] as const) {
    const response = await get(path, init);
    expect(response.status, path).toBe(status);
    for (const [name, value] of Object.entries(SITE_HEADERS))
      expect(response.headers.get(name), `${name} of ${path}`).toBe(value);
    await response.arrayBuffer();
  }
});

test("the settings say that operators' methods and the crash lab are not here", async () => {
  expect(await (await get("/console.json")).json()).toEqual({
    operators: false,
    logsUrl: "http://logs/{orderId}",
  });
});

test("nothing is written: a body is refused", async () => {
  const response = await get("/", { method: "POST", body: "{}" });
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(response.status).toBeLessThan(500);
});

test("it is ready if the console is built", async () => {
  expect((await get("/health/ready")).status).toBe(200);
  await using without = await startConsoleServer(
    envToConfig({ HOST: "127.0.0.1", PORT: "0" }),
    join(folder, "assets"),
  );
  expect((await fetch(`${without.url}/`, BROWSER)).status).toBe(404);
});

test("all problems of the configuration are named at once", () => {
  expect(() => envToConfig({ PORT: "70000", CONSOLE_TRACE_URL: "http://traces/" })).toThrow(
    /PORT: is not a port\nCONSOLE_TRACE_URL: is not a URL with \{orderId\} in it/,
  );
  expect(envToConfig({ CONSOLE_TRACE_URL: "" })).toEqual({
    host: "0.0.0.0",
    port: 8080,
    settings: { operators: false, traceUrl: undefined, logsUrl: undefined },
  });
});

test("the crash lab is in no image: nothing that is shipped depends on it, or on the stack", async () => {
  const packages = join(import.meta.dirname, "../..");
  const manifestOf = async (name: string): Promise<Record<string, string>> =>
    (
      JSON.parse(await readFile(join(packages, name, "package.json"), "utf8")) as {
        dependencies?: Record<string, string>;
      }
    ).dependencies ?? {};
  const folders = new Set(await readdir(packages));
  const shipped = new Set<string>();
  const follow = async (name: string): Promise<void> => {
    if (shipped.has(name) || !folders.has(name)) return;
    shipped.add(name);
    for (const dependency of Object.keys(await manifestOf(name)))
      await follow(dependency.replace("@tercet/", ""));
  };
  for (const name of ["identity", "order", "payment", "console-server"]) await follow(name);
  expect([...shipped].sort()).toEqual([
    "console",
    "console-server",
    "group",
    "identity",
    "order",
    "payment",
    "saga",
    "service",
    "wire",
  ]);
});
