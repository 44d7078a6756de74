import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Host, host } from "./harness.ts";

const PAGE = "https://shop.example";
const LIST = "/order.v1.CatalogService/ListProducts";

describe("a service with one listed origin", () => {
  let shop: Host;
  beforeAll(async () => {
    shop = await host({ config: { corsOrigins: [PAGE] } });
  });
  afterAll(() => shop[Symbol.asyncDispose]());

  const preflight = (origin: string, headers: string) =>
    fetch(shop.url + LIST, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": headers,
      },
    });
  const call = (origin: string, path = LIST) =>
    fetch(shop.url + path, {
      method: "POST",
      headers: { origin, "content-type": "application/json" },
      body: "{}",
    });

  test("accepts its preflight for gRPC-Web and Connect headers", async () => {
    const wanted = [
      "content-type",
      "x-grpc-web",
      "x-user-agent",
      "grpc-timeout",
      "connect-protocol-version",
      "connect-timeout-ms",
      "authorization",
    ];
    const response = await preflight(PAGE, wanted.join(","));
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe(PAGE);
    expect(response.headers.get("access-control-allow-credentials")).toBeNull();
    const allowed = response.headers.get("access-control-allow-headers")?.toLowerCase() ?? "";
    for (const header of wanted) expect(allowed).toContain(header);
    expect(response.headers.get("access-control-allow-methods")).toContain("POST");
  });

  test("lets it read responses and errors, with the protocols' headers", async () => {
    for (const path of [LIST, "/order.v1.CatalogService/PutProduct"]) {
      const response = await call(PAGE, path);
      expect(response.headers.get("access-control-allow-origin")).toBe(PAGE);
      const exposed = response.headers.get("access-control-expose-headers")?.toLowerCase() ?? "";
      for (const header of [
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        "x-correlation-id",
        "retry-after",
      ]) {
        expect(exposed).toContain(header);
      }
      expect(response.headers.get("vary")).toMatch(/origin/i);
    }
  });

  test.each([
    "https://evil.example",
    "https://shop.example.evil.example",
    "http://shop.example",
    "null",
  ])("allows %s nothing", async (origin) => {
    expect(
      (await preflight(origin, "content-type")).headers.get("access-control-allow-origin"),
    ).toBeNull();
    expect((await call(origin)).headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("a service for pages of this machine, at any port", () => {
  let shop: Host;
  beforeAll(async () => {
    shop = await host({ config: { corsOrigins: ["http://localhost:*", "http://[::1]:*"] } });
  });
  afterAll(() => shop[Symbol.asyncDispose]());

  test.each([
    ["http://localhost:5173", LIST],
    ["http://localhost:3000", "/no/such/path"],
    ["http://localhost", LIST],
    ["http://[::1]:8080", LIST],
  ])("lets %s call %s", async (origin, path) => {
    const headers = { origin, "access-control-request-method": "POST" };
    const preflight = await fetch(shop.url + path, { method: "OPTIONS", headers });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe(origin);
    const response = await fetch(shop.url + path, { method: "POST", headers: { origin } });
    expect(response.headers.get("access-control-allow-origin")).toBe(origin);
  });

  test.each([
    "https://localhost:5173",
    "http://localhost.evil.example:80",
    "http://localhost:5173.evil.example",
    "http://evil.example:5173",
    "http://localhost:5173@evil.example",
  ])("but not %s", async (origin) => {
    const headers = { origin, "access-control-request-method": "POST" };
    const preflight = await fetch(shop.url + LIST, { method: "OPTIONS", headers });
    expect(preflight.headers.get("access-control-allow-origin")).toBeNull();
  });
});

test("by default no origin is listed, and a preflight fails", async () => {
  await using shop = await host();
  const headers = { origin: PAGE, "access-control-request-method": "POST" };
  const response = await fetch(shop.url + LIST, { method: "OPTIONS", headers });
  expect(response.ok).toBe(false);
  expect(response.headers.get("access-control-allow-origin")).toBeNull();
});
