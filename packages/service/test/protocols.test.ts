import { execFile } from "node:child_process";
import { once } from "node:events";
import http2 from "node:http2";
import { connect } from "node:net";
import { promisify } from "node:util";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import * as grpcJs from "@grpc/grpc-js";
import {
  ListProductsRequestSchema,
  ListProductsResponseSchema,
} from "@tercet/gen/order/v1/catalog_service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { catalogAt, gate, grpc, type Host, host, ordersAt, transports } from "./harness.ts";

const LIST = "/order.v1.CatalogService/ListProducts";
const ORDER_ID = "0198a5a0-0000-7000-8000-000000000001";

let shop: Host;
beforeAll(async () => {
  shop = await host({
    catalog: { putProduct: ({ product }) => product ?? {} },
    orders: {
      async *watchOrder({ orderId }) {
        yield { order: { id: orderId, status: 1 } };
        yield { order: { id: orderId, status: 2 } };
      },
    },
  });
});
afterAll(() => shop[Symbol.asyncDispose]());

describe.each(Object.entries(transports))("%s", (_name, transport) => {
  test("a unary call succeeds", async () => {
    const { products } = await catalogAt(transport(shop.url)).listProducts({});
    expect(products.map((p) => p.sku)).toEqual(["TEA"]);
  });

  test("an error keeps its code", async () => {
    const refused = catalogAt(transport(shop.url)).listProducts({ pageSize: -1 });
    await expect(refused).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  test("a server stream arrives message by message", async () => {
    const headers = { authorization: await shop.bearer("customer") };
    const statuses: (number | undefined)[] = [];
    for await (const { order } of ordersAt(transport(shop.url)).watchOrder(
      { orderId: ORDER_ID },
      { headers },
    ))
      statuses.push(order?.status);
    expect(statuses).toEqual([1, 2]);
  });

  test("a body of several frames is read whole", async () => {
    const headers = { authorization: await shop.bearer("operator") };
    const product = {
      sku: "TEA",
      name: "x".repeat(200),
      description: "é".repeat(2_000),
      price: { currencyCode: "EUR", minorUnits: 1n },
    };
    const put = await catalogAt(transport(shop.url)).putProduct(
      { product, requestId: crypto.randomUUID() },
      { headers },
    );
    expect(put.description).toBe(product.description);
  });
});

describe("a foreign client", () => {
  test("@grpc/grpc-js calls", async () => {
    const client = new grpcJs.Client(`127.0.0.1:${shop.port}`, grpcJs.credentials.createInsecure());
    const list = await new Promise<Buffer | undefined>((resolve, reject) => {
      client.makeUnaryRequest(
        LIST,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.from(toBinary(ListProductsRequestSchema, create(ListProductsRequestSchema))),
        (error, response) => (error === null ? resolve(response) : reject(error)),
      );
    });
    expect(fromBinary(ListProductsResponseSchema, list ?? Buffer.alloc(0)).products[0]?.sku).toBe(
      "TEA",
    );
    client.close();
  });

  test("@grpc/grpc-js sees an unknown method as unimplemented", async () => {
    const client = new grpcJs.Client(`127.0.0.1:${shop.port}`, grpcJs.credentials.createInsecure());
    const code = await new Promise((resolve) => {
      const bytes = (b: Buffer) => b;
      client.makeUnaryRequest(
        "/order.v1.CatalogService/Nothing",
        bytes,
        bytes,
        Buffer.alloc(0),
        (error) => resolve(error?.code),
      );
    });
    expect(code).toBe(grpcJs.status.UNIMPLEMENTED);
    client.close();
  });
});

describe("plain HTTP", () => {
  test("JSON by fetch", async () => {
    const response = await fetch(shop.url + LIST, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ products: [{ sku: "TEA", name: "Tea" }] });
  });

  test.each(["application/json", "application/proto", "application/grpc", "text/plain"])(
    "an unknown path gets 404 over %s",
    async (type) => {
      const response = await fetch(`${shop.url}/order.v1.CatalogService/Nothing`, {
        method: "POST",
        headers: { "content-type": type },
        body: "{}",
      });
      expect(response.status).toBe(404);
      expect(await response.json()).toEqual({
        code: "unimplemented",
        message: "there is no such method",
      });
    },
  );

  test.each([
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/json; charset=utf-16",
    "application/connect+json",
    "image/jpeg",
  ])("a unary call as %j gets 415, and what to send", async (type) => {
    for (const body of [Buffer.from("{}"), undefined]) {
      const response = await fetch(shop.url + LIST, {
        method: "POST",
        headers: type === "" ? {} : { "content-type": type },
        ...(body && { body }),
      });
      expect(response.status).toBe(415);
      const problem = type === "" ? "no content type" : `the content type ${type}`;
      expect(await response.json()).toEqual({
        code: "unknown",
        message: `ListProducts does not read a request with ${problem}: add the header content-type: application/json`,
      });
    }
  });

  test("so does a stream that is called as if it was unary", async () => {
    const response = await fetch(`${shop.url}/order.v1.OrderService/WatchOrder`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({
      message: expect.stringContaining(
        "content-type: application/connect+json, application/grpc or application/grpc-web",
      ),
    });
  });

  test("curl without a content type learns which to add", async () => {
    const { stdout } = await promisify(execFile)("curl", ["-s", "-d", "{}", shop.url + LIST]);
    expect(JSON.parse(stdout)).toEqual({
      code: "unknown",
      message:
        "ListProducts does not read a request with the content type application/x-www-form-urlencoded: add the header content-type: application/json",
    });
  });

  test("GET on a method with side effects gets 405", async () => {
    expect(
      (await fetch(`${shop.url}/order.v1.CatalogService/PutProduct?encoding=json&message={}`))
        .status,
    ).toBe(405);
  });

  test.each(["/health", "/health/live", "/health/ready"])(
    "%s over HTTP/1.1 and HTTP/2",
    async (path) => {
      expect((await fetch(shop.url + path)).status).toBe(200);
      const session = http2.connect(shop.url);
      const stream = session.request({ ":path": path });
      const [headers] = await once(stream, "response");
      expect(headers[":status"]).toBe(200);
      stream.resume();
      session.close();
    },
  );
});

describe("the first bytes select the protocol, however they arrive", () => {
  const request = `POST ${LIST} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`;

  test.each([1, 2, 3, 7])("HTTP/1.1 in pieces of %i", async (size) => {
    expect(await exchange(pieces(Buffer.from(request), size))).toContain("HTTP/1.1 200 OK");
  });

  test.each(["PRI", "PR", "P"])("HTTP/2 whose preface is cut after %s", async (head) => {
    const socket = connect(shop.port, "127.0.0.1").setNoDelay();
    await once(socket, "connect");
    const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    socket.write(head);
    await onTheWay();
    socket.write(preface.slice(head.length));
    socket.write(Buffer.from("000000040000000000", "hex"));
    const [first] = await once(socket, "data");
    // A SETTINGS frame: type 4 on stream 0.
    expect((first as Buffer)[3]).toBe(4);
    socket.destroy();
  });

  test("a client that half-closes after its request gets the response", async () => {
    const socket = connect({ port: shop.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.end(request);
    let response = "";
    for await (const chunk of socket) response += chunk;
    expect(response).toContain("HTTP/1.1 200 OK");
  });

  test("a client that disconnects before it sends a byte does no harm", async () => {
    for (const head of ["", "P", "PRI", "GET / HT"]) {
      const socket = connect(shop.port, "127.0.0.1");
      await once(socket, "connect");
      socket.write(head);
      socket.resetAndDestroy();
    }
    const { products } = await catalogAt(grpc(shop.url)).listProducts({});
    expect(products).toHaveLength(1);
  });

  async function exchange(parts: Buffer[]): Promise<string> {
    const socket = connect(shop.port, "127.0.0.1").setNoDelay();
    await once(socket, "connect");
    let response = "";
    socket.on("data", (chunk) => {
      response += chunk;
    });
    for (const part of parts.slice(0, 12)) {
      socket.write(part);
      await onTheWay();
    }
    socket.write(Buffer.concat(parts.slice(12)));
    await once(socket, "close");
    return response;
  }

  /** Usually long enough for a byte to be read by itself; the tests do not depend on it. */
  const onTheWay = () => new Promise((resolve) => setTimeout(resolve, 5));

  const pieces = (bytes: Buffer, size: number) =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
});

test("a client's cancellation of a stream reaches the handler", async () => {
  const cancelled = gate();
  await using other = await host({
    orders: {
      async *watchOrder(_request, { signal }) {
        signal.addEventListener("abort", cancelled.open);
        yield {};
        await cancelled.opened;
      },
    },
  });
  const caller = new AbortController();
  const options = {
    headers: { authorization: await other.bearer("customer") },
    signal: caller.signal,
  };
  const watch = async () => {
    for await (const _ of ordersAt(grpc(other.url)).watchOrder({ orderId: ORDER_ID }, options))
      caller.abort();
  };
  await expect(watch()).rejects.toMatchObject({ code: Code.Canceled });
  await cancelled.opened;
});
