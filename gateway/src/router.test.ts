import { expect, test } from "vitest";
import { type KongConfig, parseKongConfig } from "./kong-config.ts";
import { normalized, routeOf } from "./router.ts";

const service = (protocol: string, routes: string) =>
  `{ name: ${protocol}, protocol: ${protocol}, host: a, port: 1, retries: 0, connect_timeout: 1, write_timeout: 1, read_timeout: 1, routes: [${routes}] }`;
const http = (name: string, methods: string, path: string) =>
  `{ name: ${name}, protocols: [http, https], methods: ${methods}, paths: ['${path}'], strip_path: false }`;
const grpc = (path: string) =>
  `{ name: by-grpc, protocols: [grpc, grpcs], headers: { content-type: [application/grpc] }, paths: ['${path}'], strip_path: false }`;
const configOf = (...services: string[]): KongConfig =>
  parseKongConfig(`{ _format_version: "3.0", plugins: [], services: [${services.join(", ")}] }`);

const config = configOf(
  service("http", http("by-http", "[POST]", "~/a/B$")),
  service("grpc", grpc("~/a/B$")),
);
const routeFor = (method: string, path: string, contentType?: string) =>
  routeOf(config, { method, path, contentType })?.route.name;

test("the content type tells gRPC from everything else at the same path", () => {
  expect(routeFor("POST", "/a/B", "application/grpc")).toBe("by-grpc");
  expect(routeFor("POST", "/a/B", "Application/gRPC")).toBe("by-grpc");
  expect(routeFor("POST", "/a/B", "application/grpc-web+proto")).toBe("by-http");
  expect(routeFor("POST", "/a/B")).toBe("by-http");
});

test("method and path must fit, the path from begin to end", () => {
  expect(routeFor("GET", "/a/B")).toBeUndefined();
  for (const path of ["/a/BC", "/a/B/", "/x/a/B", "/a/b"])
    expect(routeFor("POST", path)).toBeUndefined();
});

test("a path is resolved before it is looked up", () => {
  expect(routeFor("POST", "//x/%2e%2e/a/%42")).toBe("by-http");
  expect(normalized("/a/./b//c/../d")).toBe("/a/b/d");
  expect(normalized("/a%2fb/%7Ec")).toBe("/a%2Fb/~c");
  expect(normalized("/a/")).toBe("/a/");
  expect(normalized("/../..")).toBe("/");
});

test("two routes that fit equally are a mistake", () => {
  const twice = configOf(
    service("http", [http("one", "[POST]", "~/a$"), http("two", "[POST]", "~/a$")].join(", ")),
  );
  expect(() => routeOf(twice, { method: "POST", path: "/a" })).toThrow(
    "POST /a fits both one and two",
  );
});

test.each([
  ["an attribute", "strip_path: false", "strip_path: false, hosts: [a]", "hosts"],
  ["a path that is a prefix", "~/a/B$", "/a/B", "not the whole of a path"],
  ["methods of a gRPC route", "headers:", "methods: [POST], headers:", "methods"],
  ["a plugin", "plugins: []", "plugins: [{ name: pre-function, config: {} }]", "plugins.0.name"],
  ["two of a name", "by-grpc", "by-http", "two are called by-http"],
])("%s that the router does not know is refused", (_what, before, after, problem) => {
  const text = `{ _format_version: "3.0", plugins: [], services: [${service("http", http("by-http", "[POST]", "~/x$"))}, ${service("grpc", grpc("~/a/B$"))}] }`;
  expect(text).toContain(before);
  expect(() => parseKongConfig(text)).not.toThrow();
  expect(() => parseKongConfig(text.replace(before, after))).toThrow(problem);
});
