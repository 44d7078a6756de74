/** What a client makes of servers that do not behave as ours do. */
import { once } from "node:events";
import http2, { constants, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { CatalogService, ListProductsResponseSchema } from "@tercet/gen/order/v1/catalog_service";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createServiceClient } from "../src/index.ts";

type Serve = (stream: ServerHttp2Stream, call: number) => void;

const server = http2.createServer();
let serve: Serve = () => {};
let calls = 0;
let rstCode = 0;
let baseUrl = "";
beforeAll(async () => {
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.once("close", () => {
      rstCode = stream.rstCode;
    });
    stream.resume();
    serve(stream, calls++);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

const OK = { ":status": 200, "content-type": "application/grpc+proto" };
const list = toBinary(
  ListProductsResponseSchema,
  create(ListProductsResponseSchema, { nextPageToken: "next" }),
);

function respond(
  stream: ServerHttp2Stream,
  bytes: Uint8Array,
  trailers: http2.OutgoingHttpHeaders,
) {
  stream.respond(OK, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(bytes);
}

const framed = (message: Uint8Array, flags = 0, length = message.byteLength) => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
};

async function outcome(given: Serve, more: { maxAttempts?: number; timeoutMs?: number } = {}) {
  calls = 0;
  serve = given;
  const client = createServiceClient(CatalogService, {
    baseUrl,
    timeoutMs: 5_000,
    maxAttempts: 1,
    ...more,
  });
  try {
    return (await client.listProducts({})).nextPageToken;
  } catch (error) {
    return Code[ConnectError.from(error).code];
  }
}

const OK_STATUS = { "grpc-status": "0" };

test("a refused stream was not processed, and is tried again", async () => {
  const refuseOnce: Serve = (stream, call) => {
    if (call === 0) stream.close(constants.NGHTTP2_REFUSED_STREAM);
    else respond(stream, framed(list), OK_STATUS);
  };
  expect(await outcome(refuseOnce)).toBe("Unavailable");
  expect(await outcome(refuseOnce, { maxAttempts: 2 })).toBe("next");
});

test.each<[string, string, Serve]>([
  ["a connection that is closed", "Aborted", (stream) => stream.session?.destroy()],
  [
    "a connection that is closed within the response",
    "Aborted",
    (stream) => {
      stream.respond(OK);
      stream.write(framed(list).subarray(0, -1), () => stream.session?.destroy());
    },
  ],
  ["a stream that is cancelled", "Canceled", (stream) => stream.close(constants.NGHTTP2_CANCEL)],
  [
    "a stream that is reset",
    "Internal",
    (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  ],
  [
    "a message without a status",
    "Internal",
    (stream) => {
      stream.respond(OK);
      stream.end(framed(list));
    },
  ],
  [
    "a status without a message",
    "Unimplemented",
    (stream) => respond(stream, Buffer.alloc(0), OK_STATUS),
  ],
  [
    "two messages",
    "Unimplemented",
    (stream) => respond(stream, Buffer.concat([framed(list), framed(list)]), OK_STATUS),
  ],
  [
    "a message that is cut off",
    "Internal",
    (stream) => respond(stream, framed(list).subarray(0, -1), OK_STATUS),
  ],
  [
    "a message of more than 4 MiB",
    "ResourceExhausted",
    (stream) => respond(stream, framed(Buffer.alloc(5_000_000)), OK_STATUS),
  ],
  [
    "compression that was not announced",
    "Internal",
    (stream) => respond(stream, framed(list, 1), OK_STATUS),
  ],
  [
    "a page in HTML",
    "Unknown",
    (stream) => {
      stream.respond({ ":status": 200, "content-type": "text/html" });
      stream.end("<h1>hello</h1>");
    },
  ],
  [
    "a proxy without a server",
    "Unavailable",
    (stream) => {
      stream.respond({ ":status": 503 });
      stream.end();
    },
  ],
  [
    "an error in the headers",
    "NotFound",
    (stream) => stream.respond({ ...OK, "grpc-status": "5" }, { endStream: true }),
  ],
])("%s is %s", async (_name, code, given) => {
  expect(await outcome(given)).toBe(code);
});

test("a call that takes too long is cancelled at the server", async () => {
  const closed = new Promise((resolve) => {
    serve = (stream) => stream.once("close", resolve);
  });
  const given = serve;
  expect(await outcome(given, { timeoutMs: 100 })).toBe("DeadlineExceeded");
  await closed;
  expect(rstCode).toBe(constants.NGHTTP2_CANCEL);
});
