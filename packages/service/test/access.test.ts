import { once } from "node:events";
import http2 from "node:http2";
import { connect } from "node:net";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reasonOf } from "../src/errors.ts";
import { remoteKeys } from "../src/host/authenticate.ts";
import { principal, visibleOwner } from "../src/host/principal.ts";
import { createService } from "../src/host/service.ts";
import { createLogger } from "../src/telemetry/log.ts";
import {
  catalogAt,
  connect1,
  grpc,
  type Host,
  host,
  identityAt,
  ordersAt,
  testConfig,
} from "./harness.ts";
import { UndeclaredService } from "./undeclared.ts";

const ORDER_ID = "0198a5a0-0000-7000-8000-000000000001";
const product = { sku: "TEA", name: "Tea", price: { currencyCode: "EUR", minorUnits: 1n } };

let shop: Host;
let handled = 0;
beforeAll(async () => {
  shop = await host({
    catalog: {
      putProduct: () => {
        handled += 1;
        return product;
      },
    },
    identity: { getMe: (_request, context) => ({ id: principal(context).subject }) },
    orders: {
      getOrder: (_request, context) => ({ customerId: visibleOwner(context) ?? "everybody's" }),
      async *watchOrder(_request, context) {
        yield { order: { customerId: visibleOwner(context) ?? "everybody's" } };
      },
    },
  });
});
afterAll(() => shop[Symbol.asyncDispose]());

const put = (authorization: string | undefined, transport = grpc) =>
  catalogAt(transport(shop.url)).putProduct(
    { product, requestId: crypto.randomUUID() },
    authorization === undefined ? {} : { headers: { authorization } },
  );

describe.each([
  ["gRPC", grpc],
  ["Connect", connect1],
])("over %s", (_name, transport) => {
  test("without a token: unauthenticated, and the handler is not reached", async () => {
    handled = 0;
    const error = await put(undefined, transport).catch(ConnectError.from);
    expect(error).toMatchObject({
      code: Code.Unauthenticated,
      rawMessage: "a valid bearer token is required",
    });
    expect(reasonOf(error as ConnectError)).toBe("UNAUTHENTICATED");
    expect((error as ConnectError).metadata.get("www-authenticate")).toBe("Bearer");
    expect(handled).toBe(0);
  });

  test("with the wrong role: permission denied", async () => {
    const error = await put(await shop.bearer("customer"), transport).catch(ConnectError.from);
    expect(error).toMatchObject({ code: Code.PermissionDenied });
    expect(reasonOf(error as ConnectError)).toBe("PERMISSION_DENIED");
  });

  test("with the right role: the handler runs", async () => {
    expect(await put(await shop.bearer("customer", "operator"), transport)).toMatchObject({
      sku: "TEA",
    });
  });

  test("a token for another service is refused, one for this service by name is not", async () => {
    const sign = (aud: string) => shop.tokens.sign({ sub: "s", roles: ["operator"], aud });
    await expect(put(`Bearer ${await sign("payment")}`, transport)).rejects.toMatchObject({
      code: Code.Unauthenticated,
    });
    expect(await put(`Bearer ${await sign("shop")}`, transport)).toMatchObject({ sku: "TEA" });
  });

  test("an owner sees their own, a role sees all, others nothing", async () => {
    const seen = async (...roles: string[]) => {
      const headers = { authorization: await shop.bearer(...roles) };
      return (await ordersAt(transport(shop.url)).getOrder({ orderId: ORDER_ID }, { headers }))
        .customerId;
    };
    expect(await seen("customer")).toBe("user-1");
    expect(await seen("operator")).toBe("everybody's");
    expect(await seen("customer", "operator")).toBe("everybody's");
    await expect(seen("service")).rejects.toMatchObject({ code: Code.PermissionDenied });
    await expect(seen()).rejects.toMatchObject({ code: Code.PermissionDenied });
  });

  test("a stream is guarded too", async () => {
    const watch = async (headers: Record<string, string>) => {
      const seen: (string | undefined)[] = [];
      for await (const { order } of ordersAt(transport(shop.url)).watchOrder(
        { orderId: ORDER_ID },
        { headers },
      ))
        seen.push(order?.customerId);
      return seen;
    };
    await expect(watch({})).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(await watch({ authorization: await shop.bearer("customer") })).toEqual(["user-1"]);
  });

  test("`authenticated` needs a token but no role, `public` needs nothing", async () => {
    const me = (headers: Record<string, string>) =>
      identityAt(transport(shop.url)).getMe({}, { headers });
    await expect(me({})).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(await me({ authorization: await shop.bearer() })).toMatchObject({ id: "user-1" });
    await catalogAt(transport(shop.url)).listProducts(
      {},
      { headers: { authorization: "Bearer nonsense" } },
    );
  });
});

test("when the issuer's keys cannot be fetched, the call is unavailable, and the cause is logged", async () => {
  await using other = await host({ options: { keys: remoteKeys("http://127.0.0.1:1/jwks.json") } });
  const headers = { authorization: await other.bearer("operator"), "x-correlation-id": "c-9" };
  const error = await catalogAt(grpc(other.url))
    .putProduct({ product }, { headers })
    .catch(ConnectError.from);
  expect(error).toMatchObject({ code: Code.Unavailable });
  expect((error as ConnectError).metadata.get("retry-after")).toBe("1");
  expect((error as ConnectError).message).not.toContain("127.0.0.1");
  expect(other.log.filter(({ level }) => level === "warn")).toMatchObject([
    { correlation_id: "c-9", err: { message: expect.stringContaining("fetch failed") } },
  ]);
});

describe("the gate does not wait for the body", () => {
  test("over HTTP/2: a gRPC caller without a token is refused while it still sends the body", async () => {
    const session = http2.connect(shop.url);
    const path = "/order.v1.CatalogService/PutProduct";
    const stream = session.request(
      { ":method": "POST", ":path": path, "content-type": "application/grpc" },
      { endStream: false },
    );
    stream.on("error", () => {});
    stream.write(Buffer.from([0, 0, 0, 255, 255]));
    const [headers] = await once(stream, "response");
    const status =
      headers["grpc-status"] ?? (await once(stream.resume(), "trailers"))[0]["grpc-status"];
    expect(Number(status)).toBe(Code.Unauthenticated);
    session.destroy();
  });

  test.each(["content-length: 100000", "transfer-encoding: chunked"])(
    "over HTTP/1.1 with %s",
    async (length) => {
      const socket = connect(shop.port, "127.0.0.1");
      socket.write(
        `POST /order.v1.CatalogService/PutProduct HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${length}\r\n\r\n`,
      );
      const [response] = await once(socket, "data");
      expect(String(response)).toMatch(/^HTTP\/1\.1 401 /);
      expect(String(response).toLowerCase()).toContain("www-authenticate: bearer");
      socket.destroy();
    },
  );
});

test("a service with a method that declares no access does not start, unless the service is named as open", async () => {
  const options = {
    name: "shop",
    config: testConfig(),
    log: createLogger({ name: "shop", level: "silent" }),
    errors: {},
    keys: shop.tokens.keys,
  };
  const routes = (router: ConnectRouter) => void router.service(UndeclaredService, {});
  await expect(createService({ ...options, routes })).rejects.toThrow(
    "test.v1.UndeclaredService/Nothing",
  );
  await using open = await createService({ ...options, routes, openServices: [UndeclaredService] });
  expect(open.port).toBeGreaterThan(0);
});
