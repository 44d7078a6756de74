import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { remainingMs } from "../src/host/call.ts";
import {
  catalogAt,
  connect1,
  gate,
  grpc,
  type Host,
  host,
  ordersAt,
  transports,
  until,
} from "./harness.ts";

const ORDER_ID = "0198a5a0-0000-7000-8000-000000000001";
const never = new Promise<never>(() => {});

let deaf: Host;
let left: number | undefined;
beforeAll(async () => {
  deaf = await host({
    config: { defaultTimeoutMs: 150 },
    catalog: { listProducts: () => never },
    orders: {
      getOrder: (_request, context) => {
        left = remainingMs(context);
        return {};
      },
      async *watchOrder() {
        yield {};
        await never;
      },
    },
  });
});
afterAll(() => deaf[Symbol.asyncDispose]());

describe.each([
  ["gRPC", grpc],
  ["gRPC-Web", transports["gRPC-Web over HTTP/1.1"] as typeof grpc],
  ["Connect", connect1],
])("over %s", (_name, transport) => {
  // Sent as the protocol's header, without the client's own timer.
  const timeout = (ms: string) =>
    transport === connect1 ? { "connect-timeout-ms": ms } : { "grpc-timeout": `${ms}m` };
  const list = (headers: Record<string, string>) =>
    catalogAt(transport(deaf.url)).listProducts({}, { headers });

  test("a call whose handler ignores the deadline ends at the deadline", async () => {
    const started = performance.now();
    await expect(list(timeout("80"))).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    expect(performance.now() - started).toBeLessThan(1_000 * inject("timeFactor"));
  });

  test("a caller without a deadline gets the default one", async () => {
    const started = performance.now();
    await expect(list({})).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    expect(performance.now() - started).toBeGreaterThan(140);
  });

  test("a stream whose handler ignores the deadline ends at the deadline", async () => {
    const headers = { ...timeout("80"), authorization: await deaf.bearer("customer") };
    const watch = async () => {
      for await (const _ of ordersAt(transport(deaf.url)).watchOrder(
        { orderId: ORDER_ID },
        { headers },
      ));
    };
    await expect(watch()).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  });

  test("a deadline of zero is exceeded, for a stream too", async () => {
    await expect(list(timeout("0"))).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    const headers = { ...timeout("0"), authorization: await deaf.bearer("customer") };
    const watch = async () => {
      for await (const _ of ordersAt(transport(deaf.url)).watchOrder(
        { orderId: ORDER_ID },
        { headers },
      ));
    };
    await expect(watch()).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  });

  test("a call whose deadline has passed does not reach its handler", async () => {
    left = undefined;
    const headers = { ...timeout("0"), authorization: await deaf.bearer("customer") };
    const call = ordersAt(transport(deaf.url)).getOrder({ orderId: ORDER_ID }, { headers });
    await expect(call).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    expect(left).toBeUndefined();
  });

  test.each(["30001", "99999999"])(
    "a deadline of %s ms is more than the service allows",
    async (ms) => {
      await expect(list(timeout(ms))).rejects.toMatchObject({ code: Code.InvalidArgument });
    },
  );

  test.each(["abc", "-1", "999999999"])("a deadline of %j is malformed", async (ms) => {
    await expect(list(timeout(ms))).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  test("the handler can read the remaining time", async () => {
    const headers = { ...timeout("5000"), authorization: await deaf.bearer("customer") };
    await ordersAt(transport(deaf.url)).getOrder({ orderId: ORDER_ID }, { headers });
    expect(left).toBeGreaterThan(4_000);
    expect(left).toBeLessThanOrEqual(5_000);
  });

  test("a cancelled call is not logged as a failure of the service", async () => {
    const entered = gate();
    const listProducts = () => {
      entered.open();
      return never;
    };
    await using other = await host({ catalog: { listProducts } });
    const caller = new AbortController();
    const call = catalogAt(transport(other.url))
      .listProducts({}, { signal: caller.signal })
      .catch(ConnectError.from);
    await entered.opened;
    caller.abort();
    await call;
    await until(() => other.log.some(({ msg }) => msg === "call"));
    expect(other.log.find(({ msg }) => msg === "call")).toMatchObject({
      code: expect.stringMatching(/Canceled|Aborted/),
    });
    expect(other.log.filter(({ level }) => level === "error")).toEqual([]);
  });
});

describe("the correlation id", () => {
  const call = (id: string, method = "ListProducts", transportHeaders = {}) =>
    fetch(`${deaf.url}/order.v1.CatalogService/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-correlation-id": id, ...transportHeaders },
      body: "{}",
    });

  test("is in the response, with errors too, and in the log", async () => {
    for (const method of ["ListProducts", "PutProduct"]) {
      const response = await call("order-77.a_b", method);
      expect(response.ok).toBe(false);
      expect(response.headers.get("x-correlation-id")).toBe("order-77.a_b");
    }
    expect(deaf.log.some((line) => line["correlation_id"] === "order-77.a_b")).toBe(true);
  });

  test.each(["with space", "a".repeat(129), "<script>", "a,b"])("%j is replaced", async (id) => {
    const given = (await call(id)).headers.get("x-correlation-id");
    expect(given).toMatch(/^[0-9a-f-]{36}$/);
  });
});
