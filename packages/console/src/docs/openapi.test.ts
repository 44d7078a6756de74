import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { curlOf, fieldsOf, methodsOf, type OpenApi } from "./openapi.ts";

const file = join(import.meta.dirname, "../../public/openapi.json");
const api = JSON.parse(readFileSync(file, "utf8")) as OpenApi;
const methods = methodsOf(api);
const method = (path: string) => {
  const found = methods.find((each) => each.path === path);
  if (found === undefined) throw new Error(`there is no ${path}`);
  return found;
};

test("every method has a summary, callers, an example and fields that can be listed", () => {
  expect(methods.length).toBeGreaterThan(25);
  for (const { path, summary, access, example, request } of methods) {
    expect(summary, path).toMatch(/\.$/);
    expect(access.length, path).toBeGreaterThan(0);
    const names = fieldsOf(request, api).map(({ name }) => name);
    expect(names, path).toEqual(expect.arrayContaining(Object.keys(example)));
  }
});

test("a field has its rules in words, and the fields of the message in it", () => {
  const fields = fieldsOf(method("order.v1.OrderService/CreateOrder").request, api);
  const items = fields.find(({ name }) => name === "items");
  expect(items?.type).toBe("CreateOrderItem[]");
  expect(items?.rules).toEqual(["at least 1 items", "at most 50 items"]);
  expect(items?.fields.find(({ name }) => name === "quantity")?.rules).toEqual([
    "at least 1",
    "at most 1000",
  ]);
});

test("a stream is one; its reasons and callers are those of the contract", () => {
  expect(method("order.v1.OrderService/WatchOrder").isStream).toBe(true);
  const create = method("order.v1.OrderService/CreateOrder");
  expect(create.access).toEqual(["customer"]);
  expect(create.reasons.map(({ reason }) => reason)).toContain("PRICE_CHANGED");
});

test("the curl command of a public method has no token", () => {
  expect(curlOf(method("identity.v1.IdentityService/Login"), "http://x")).not.toContain("Bearer");
  expect(curlOf(method("order.v1.OrderService/GetOrder"), "http://x")).toContain("Bearer $TOKEN");
});
