import {
  type CallOptions,
  type ErrorJson,
  type Json,
  jsonShop,
  toFailure,
  type Wire,
} from "./json-shop.ts";
import { REPLAYED, type ShopClient } from "./shop.ts";

/** Methods that the contracts mark as free of side effects. */
const READS = new Set([
  "order.v1.CatalogService/ListProducts",
  "order.v1.OrderService/GetOrder",
  "order.v1.OrderService/ListOrders",
  "payment.v1.PaymentService/GetPayment",
]);

/** The Connect protocol in JSON, with `fetch` alone. */
export const connectJson = (baseUrl: string): ShopClient =>
  client({ unary: post(baseUrl), stream: stream(baseUrl) });

/** The same with reads as GET requests, which a browser or a proxy may cache. */
export function connectGet(baseUrl: string): ShopClient {
  const [reading, writing] = [get(baseUrl), post(baseUrl)];
  return client({
    unary: (method, message, options) =>
      (READS.has(method) ? reading : writing)(method, message, options),
    stream: stream(baseUrl),
  });
}

const client = (wire: Wire): ShopClient => ({
  shop: (token) => jsonShop(wire, token),
  [Symbol.dispose]: () => {},
});

const post =
  (baseUrl: string): Wire["unary"] =>
  async (method, message, options) => {
    const headers = { "content-type": "application/json", ...headersOf(options) };
    return await answerOf(
      await fetch(`${baseUrl}/${method}`, {
        method: "POST",
        headers,
        body: JSON.stringify(message),
      }),
    );
  };

const get =
  (baseUrl: string): Wire["unary"] =>
  async (method, message, options) => {
    const query = new URLSearchParams({
      connect: "v1",
      encoding: "json",
      message: JSON.stringify(message),
    });
    return await answerOf(
      await fetch(`${baseUrl}/${method}?${query}`, { headers: headersOf(options) }),
    );
  };

const headersOf = ({ token, timeoutMs }: CallOptions): Record<string, string> => ({
  "connect-protocol-version": "1",
  ...(token !== undefined && { authorization: `Bearer ${token}` }),
  ...(timeoutMs !== undefined && { "connect-timeout-ms": String(timeoutMs) }),
});

async function answerOf(response: Response): ReturnType<Wire["unary"]> {
  const body: unknown = await response.json();
  if (!response.ok) throw toFailure(body as ErrorJson);
  return { message: body as Json, replayed: response.headers.get(REPLAYED) === "true" };
}

/**
 * Splits a stream into its messages. Each is in an envelope: a byte of flags, its length in four
 * bytes, the JSON.
 */
const HEAD_BYTES = 5;
const END_OF_STREAM = 0b10;

const stream = (baseUrl: string): Wire["stream"] =>
  async function* (method, message, options) {
    const headers = { "content-type": "application/connect+json", ...headersOf(options) };
    const response = await fetch(`${baseUrl}/${method}`, {
      method: "POST",
      headers,
      body: envelope(message),
    });
    if (response.body === null || !response.ok)
      throw new Error(`a stream was answered with HTTP ${response.status}`);
    for await (const { flags, json } of envelopes(response.body)) {
      if ((flags & END_OF_STREAM) === 0) {
        yield json;
        continue;
      }
      const { error } = json as { error?: ErrorJson };
      if (error !== undefined) throw toFailure(error);
      return;
    }
    throw new Error("the stream broke off without its last message");
  };

function envelope(message: Json): Buffer<ArrayBuffer> {
  const text = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, text]);
}

async function* envelopes(
  body: AsyncIterable<Uint8Array>,
): AsyncIterable<{ flags: number; json: Json }> {
  let rest = Buffer.alloc(0);
  for await (const chunk of body) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= HEAD_BYTES && rest.length >= HEAD_BYTES + rest.readUInt32BE(1)) {
      const end = HEAD_BYTES + rest.readUInt32BE(1);
      yield {
        flags: rest.readUInt8(0),
        json: JSON.parse(rest.subarray(HEAD_BYTES, end).toString()),
      };
      rest = rest.subarray(end);
    }
  }
}
