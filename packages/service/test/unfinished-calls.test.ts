import http from "node:http";
import http2 from "node:http2";
import type { JWTVerifyGetKey } from "jose";
import { afterEach, expect, test } from "vitest";
import { testTokens } from "../src/testing.ts";
import { gate, type Host, host, until } from "./harness.ts";
import { recordTelemetry } from "./lanes.testing.ts";

const recorded = recordTelemetry();

let shop: Host;
afterEach(() => shop[Symbol.asyncDispose]());

const PUT_PRODUCT = "/order.v1.CatalogService/PutProduct";
const WATCH_ORDER = "/order.v1.OrderService/WatchOrder";

type Headers = Readonly<Record<string, string>>;

/** Sends the headers of a call and the first bytes of its body. Returns how to leave. */
type Begin = (port: number, path: string, headers: Headers) => () => void;

const overHttp1: Begin = (port, path, headers) => {
  const all = { ...headers, "content-length": "100" };
  const request = http.request({ port, path, method: "POST", headers: all });
  request.on("error", () => {}).write("{");
  return () => request.destroy();
};

const overHttp2: Begin = (port, path, headers) => {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  const leaving = new AbortController();
  const { signal } = leaving;
  const stream = session.request({ ":method": "POST", ":path": path, ...headers }, { signal });
  stream.on("error", () => {}).write(Buffer.from([0, 0]));
  return () => {
    leaving.abort();
    session.close();
  };
};

const BODY = JSON.stringify({
  requestId: "0198a5a0-0000-7000-8000-000000000001",
  product: {
    sku: "TEA",
    name: "Tea",
    price: { currencyCode: "EUR", minorUnits: "100" },
    stock: "1",
  },
});

function http1WithBody(port: number, headers: Headers): () => void {
  const request = http.request({ port, path: PUT_PRODUCT, method: "POST", headers });
  request.on("error", () => {}).end(BODY);
  return () => request.destroy();
}

function http2WithBody(port: number, headers: Headers): () => void {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  const stream = session.request({ ":method": "POST", ":path": PUT_PRODUCT, ...headers });
  stream.on("error", () => {}).end(BODY);
  return () => session.destroy();
}

test.each([
  ["a unary call over HTTP/1.1", overHttp1, PUT_PRODUCT, "application/json"],
  ["a unary call over HTTP/2", overHttp2, PUT_PRODUCT, "application/proto"],
  ["a unary gRPC call", overHttp2, PUT_PRODUCT, "application/grpc"],
  ["a stream over HTTP/1.1", overHttp1, WATCH_ORDER, "application/connect+json"],
  ["a gRPC stream", overHttp2, WATCH_ORDER, "application/grpc"],
] as const)(
  "%s whose caller leaves within the body is measured as cancelled, in both lanes",
  async (_name, begin, path, type) => {
    for (const fastPath of [true, false]) {
      shop = await host({ config: { fastPath } });
      recorded.spans.length = 0;
      recorded.measures.length = 0;
      const authorization = await shop.bearer(path === WATCH_ORDER ? "customer" : "operator");
      const leave = begin(shop.port, path, { authorization, "content-type": type });
      await until(() => recorded.spans.length === 1);
      leave();
      // As the span ends.
      await until(() => recorded.measures.length > 0);
      expect(recorded.measures).toMatchObject([{ "rpc.response.status_code": "CANCELLED" }]);
      if (fastPath) await shop[Symbol.asyncDispose]();
    }
  },
);

test.each([
  ["HTTP/1.1", http1WithBody],
  ["HTTP/2", http2WithBody],
])(
  "a caller that leaves while its token is verified is not served, over %s",
  async (_name, send) => {
    for (const fastPath of [true, false]) {
      const [verifying, asked] = [gate(), gate()];
      const tokens = await testTokens();
      const keys: JWTVerifyGetKey = async (...args) => {
        asked.open();
        await verifying.opened;
        return await tokens.keys(...args);
      };
      let served = 0;
      const putProduct = () => {
        served++;
        return {};
      };
      shop = await host({ config: { fastPath }, options: { keys }, catalog: { putProduct } });
      recorded.measures.length = 0;
      const authorization = `Bearer ${await tokens.sign({ sub: "user-1", roles: ["operator"] })}`;
      const leave = send(shop.port, { authorization, "content-type": "application/json" });
      await asked.opened;
      leave();
      await until(() => recorded.measures.length > 0);
      verifying.open();
      const other = await fetch(`${shop.url}/order.v1.CatalogService/ListProducts`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      expect(other.status).toBe(200);
      expect(served).toBe(0);
      if (fastPath) await shop[Symbol.asyncDispose]();
    }
  },
);
