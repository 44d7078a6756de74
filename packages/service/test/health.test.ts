import { Code, createClient } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@tercet/gen/grpc/health/v1/health";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { grpc, type Host, host, until } from "./harness.ts";

const ORDERS = "order.v1.OrderService";

let shop: Host;
let stock: () => Promise<void> = async () => {};
beforeAll(async () => {
  shop = await host({
    options: { dependencies: { database: async () => {}, stock: () => stock() } },
  });
});
afterAll(() => shop[Symbol.asyncDispose]());

const health = () => createClient(Health, grpc(shop.url));
const ready = () => fetch(`${shop.url}/health/ready`);

describe("grpc.health.v1", () => {
  test.each(["", ORDERS])("Check %j, without a token", async (service) => {
    expect(await health().check({ service })).toMatchObject({ status: Status.SERVING });
  });

  test("Check of an unknown service is not found", async () => {
    await expect(health().check({ service: "unknown.v1.Nothing" })).rejects.toMatchObject({
      code: Code.NotFound,
    });
  });

  test("List names the server and its services", async () => {
    const { statuses } = await health().list({});
    expect(Object.keys(statuses)).toEqual([
      "",
      "order.v1.CatalogService",
      ORDERS,
      "identity.v1.IdentityService",
    ]);
  });

  test("Watch of an unknown service reports SERVICE_UNKNOWN and stays open", async () => {
    const stop = new AbortController();
    const seen = health()
      .watch({ service: "unknown.v1.Nothing" }, { signal: stop.signal })
      [Symbol.asyncIterator]();
    expect((await seen.next()).value).toMatchObject({ status: Status.SERVICE_UNKNOWN });
    stop.abort();
  });
});

test("a failed dependency shows within two seconds everywhere, and so does its recovery; liveness is unaffected", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on("warning", onWarning);
  const stop = new AbortController();
  // More than EventTarget's default limit of listeners.
  const watches = Array.from({ length: 12 }, () =>
    health().watch({ service: ORDERS }, { signal: stop.signal })[Symbol.asyncIterator](),
  );
  const next = async () =>
    new Set(
      (await Promise.all(watches.map((watch) => watch.next()))).map(({ value }) => value?.status),
    );
  expect(await next()).toEqual(new Set([Status.SERVING]));

  const failed = performance.now();
  stock = async () => {
    throw new Error("no route to stock");
  };
  await until(async () => (await ready()).status === 503);
  expect(performance.now() - failed).toBeLessThan(2_000 * inject("timeFactor"));
  expect(await (await ready()).json()).toEqual({
    ready: false,
    dependencies: { database: "up", stock: "down" },
  });
  expect(await next()).toEqual(new Set([Status.NOT_SERVING]));
  expect((await fetch(`${shop.url}/health`)).status).toBe(503);
  expect((await fetch(`${shop.url}/health/live`)).status).toBe(200);

  // A check that hangs is a failure too.
  stock = () => new Promise(() => {});
  expect(await health().check({})).toMatchObject({ status: Status.NOT_SERVING });

  stock = async () => {};
  expect(await next()).toEqual(new Set([Status.SERVING]));
  expect((await ready()).status).toBe(200);
  stop.abort();
  process.off("warning", onWarning);
  expect(warnings).toEqual([]);
  const changes = shop.log.filter((line) => line["dependency"] === "stock").map(({ msg }) => msg);
  expect(changes).toEqual(["dependency is up", "dependency is down", "dependency is up"]);
});

test("a hanging check shows within two seconds", async () => {
  await until(async () => (await ready()).status === 200);
  const failed = performance.now();
  stock = () => new Promise(() => {});
  await until(async () => (await ready()).status === 503);
  expect(performance.now() - failed).toBeLessThan(2_200 * inject("timeFactor"));
  stock = async () => {};
  await until(async () => (await ready()).status === 200);
});

test("a draining service is not ready, and ends Watch streams", async () => {
  await using other = await host({ config: { drainDelayMs: 500, drainTimeoutMs: 30_000 } });
  const watch = createClient(Health, grpc(other.url)).watch({})[Symbol.asyncIterator]();
  expect((await watch.next()).value).toMatchObject({ status: Status.SERVING });
  const started = performance.now();
  const drained = other[Symbol.asyncDispose]();
  expect((await watch.next()).value).toMatchObject({ status: Status.NOT_SERVING });
  expect((await fetch(`${other.url}/health/ready`)).status).toBe(503);
  expect((await watch.next()).done).toBe(true);
  await drained;
  expect(performance.now() - started).toBeLessThan(5_000 * inject("timeFactor"));
});
