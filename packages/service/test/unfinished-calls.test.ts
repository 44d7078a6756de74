import http from "node:http";
import http2 from "node:http2";
import { afterEach, expect, test } from "vitest";
import { type Host, host, until } from "./harness.ts";
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
