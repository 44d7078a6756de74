import { createServer } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createServiceClient } from "../src/client/client.ts";
import { notFound, ReasonError, RequestError } from "../src/errors.ts";
import { connectPostgres } from "../src/postgres/postgres.ts";
import { testDatabase } from "../src/testing.ts";
import {
  catalogAt,
  connect1,
  grpc,
  type Host,
  host,
  type LogLine,
  ordersAt,
  transports,
} from "./harness.ts";

class ShopError extends ReasonError<"SOLD_OUT" | "NOT_IN_THE_TABLE"> {}

const ORDER_ID = "0198a5a0-0000-7000-8000-000000000001";
const SECRET = "canary-7f3a at 10.1.2.3";

let shop: Host;
let failure: () => unknown;
beforeAll(async () => {
  const fail = async () => {
    throw await failure();
  };
  shop = await host({
    catalog: { listProducts: fail },
    orders: {
      getOrder: fail,
      async *watchOrder() {
        yield {};
        await fail();
      },
    },
    options: { errors: { SOLD_OUT: Code.FailedPrecondition } },
  });
});
afterAll(() => shop[Symbol.asyncDispose]());
beforeEach(() => {
  (shop.log as LogLine[]).length = 0;
});

describe.each([
  ["gRPC", grpc],
  ["gRPC-Web", transports["gRPC-Web over HTTP/1.1"] as typeof grpc],
  ["Connect", connect1],
])("over %s", (_name, transport) => {
  const unary = async (thrown: () => unknown) => {
    failure = thrown;
    return catalogAt(transport(shop.url)).listProducts({}).then(unexpected, ConnectError.from);
  };
  const stream = async (thrown: () => unknown) => {
    failure = thrown;
    const headers = { authorization: await shop.bearer("customer") };
    const watch = async () => {
      for await (const _ of ordersAt(transport(shop.url)).watchOrder(
        { orderId: ORDER_ID },
        { headers },
      ));
    };
    return watch().then(unexpected, ConnectError.from);
  };

  describe.each([
    ["a unary call", unary],
    ["a stream", stream],
  ])("%s", (_kind, call) => {
    test("carries the service's own reason under the code of its table", async () => {
      const error = await call(() => new ShopError("SOLD_OUT", "no more tea", { sku: "TEA" }));
      expect(error).toMatchObject({ code: Code.FailedPrecondition, rawMessage: "no more tea" });
      expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
        { reason: "SOLD_OUT", metadata: { sku: "TEA" } },
      ]);
      expect(problems()).toEqual([]);
    });

    test("carries a common reason", async () => {
      const error = await call(() => notFound("order"));
      expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "order not found" });
    });

    test("hides an unexpected failure behind internal, and logs it once", async () => {
      const error = await call(() => new TypeError(SECRET));
      expect(error).toMatchObject({ code: Code.Internal, rawMessage: "internal error" });
      expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
        { reason: "INTERNAL", metadata: {} },
      ]);
      expect(everything(error)).not.toContain("canary");
      const [problem, ...more] = problems();
      expect(more).toEqual([]);
      expect(problem).toMatchObject({
        level: "error",
        err: { message: SECRET },
        method: expect.stringContaining("order.v1."),
      });
      const correlation = error.metadata.get("x-correlation-id");
      expect(problem?.["correlation_id"]).toMatch(/^[\w-]{36}$/);
      if (correlation !== null) expect(correlation).toBe(problem?.["correlation_id"]);
    });

    test("is unavailable if the database is", async () => {
      const closed = await refusingPort();
      const error = await call(async () => {
        const sql = connectPostgres(`postgres://postgres@127.0.0.1:${closed}/postgres`);
        return sql`select 1`.catch((e) => e).finally(() => sql.end());
      });
      expect(error).toMatchObject({ code: Code.Unavailable });
      expect(error.findDetails(ErrorInfoSchema)[0]?.reason).toBe("UNAVAILABLE");
      expect(everything(error)).not.toContain(String(closed));
      expect(problems()).toMatchObject([{ level: "warn" }]);
    });

    test("is aborted if every attempt of a statement failed by conflicts", async () => {
      await using database = await testDatabase();
      const sql = database.connect();
      await sql.unsafe(
        "create function lose() returns int language plpgsql as $$ begin raise sqlstate '40001'; end $$",
      );
      const error = await call(() => sql`select lose()`.catch((e) => e));
      await sql.end();
      expect(error).toMatchObject({ code: Code.Aborted });
      expect(error.findDetails(ErrorInfoSchema)[0]?.reason).toBe("CONFLICT");
      expect(problems()).toMatchObject([{ level: "warn" }]);
    });

    test("is unavailable, without an address, if another service cannot be reached", async () => {
      const closed = await refusingPort();
      const error = await call(() => {
        const other = createServiceClient(OrderService, {
          baseUrl: `http://127.0.0.1:${closed}`,
          timeoutMs: 500,
          maxAttempts: 1,
        });
        return other.getOrder({}).catch((e) => e);
      });
      expect(error).toMatchObject({
        code: Code.Unavailable,
        rawMessage: "a dependency is unavailable; try again",
      });
      expect(everything(error)).not.toContain(String(closed));
    });

    test("does not pass on another service's error", async () => {
      const error = await call(() =>
        ordersAt(grpc(shop.url))
          .getOrder({ orderId: ORDER_ID })
          .catch((e) => e),
      );
      expect(error).toMatchObject({ code: Code.Internal, rawMessage: "internal error" });
      expect(problems()).toMatchObject([{ level: "error" }]);
    });

    test("keeps a ConnectError that the handler threw", async () => {
      const error = await call(
        () => new ConnectError("as I say", Code.DataLoss, { "x-mine": "1" }),
      );
      expect(error).toMatchObject({ code: Code.DataLoss, rawMessage: "as I say" });
      expect(error.metadata.get("x-mine")).toBe("1");
    });
  });

  test("retryAfterMs is sent as retry-after, in whole seconds", async () => {
    const error = await unary(
      () => new RequestError("RATE_LIMITED", "slower", {}, { retryAfterMs: 1_200 }),
    );
    expect(error).toMatchObject({ code: Code.ResourceExhausted });
    expect(error.metadata.get("retry-after")).toBe("2");
  });

  test("a reason that is in no table is unknown, not a crash", async () => {
    expect(await unary(() => new ShopError("NOT_IN_THE_TABLE", "?"))).toMatchObject({
      code: Code.Unknown,
    });
  });

  test.each([undefined, null, "text", 7])(
    "a handler that throws %j returns internal",
    async (thrown) => {
      expect(await unary(() => thrown)).toMatchObject({ code: Code.Internal });
    },
  );

  test("an invalid field is named by its path", async () => {
    const orders = ordersAt(transport(shop.url));
    const headers = { authorization: await shop.bearer("customer") };
    const request = {
      requestId: crypto.randomUUID(),
      items: [
        { sku: "TEA", quantity: 1 },
        { sku: "tea", quantity: 1 },
      ],
      paymentMethod: { token: "tok_ok" },
    };
    const error = await orders
      .createOrder(request, { headers })
      .then(unexpected, ConnectError.from);
    expect(error.code).toBe(Code.InvalidArgument);
    const { reason, metadata } = error.findDetails(ErrorInfoSchema)[0] ?? {};
    expect({ reason, metadata }).toEqual({
      reason: "INVALID_FIELD",
      metadata: { field: "items[1].sku", rule: "string.pattern" },
    });
    expect(error.details.map((detail) => "type" in detail && detail.type)).toContain(
      "buf.validate.Violations",
    );
  });
});

describe("invalid encodings", () => {
  const post = (type: string, body: string | Uint8Array) =>
    fetch(`${shop.url}/order.v1.CatalogService/ListProducts`, {
      method: "POST",
      headers: { "content-type": type },
      body,
    });

  test.each(["", "null", "[]", "{", '{"pageSize":"1e400"}', '{"pageSize":1.5}'])(
    "JSON %j is an invalid argument",
    async (body) => {
      const response = await post("application/json", body);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: "invalid_argument" });
    },
  );
});

const unexpected = (): never => {
  throw new Error("the call was expected to fail");
};
const problems = (): LogLine[] =>
  shop.log.filter(({ level }) => level === "warn" || level === "error");
const everything = (error: ConnectError): string =>
  [
    error.message,
    JSON.stringify([...error.metadata]),
    JSON.stringify(error.findDetails(ErrorInfoSchema)),
  ].join(" ");

/** A port without a listener. */
async function refusingPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
