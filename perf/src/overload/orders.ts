import { Pool } from "undici";
import { anyProduct } from "../bench/products.ts";

/** The outcome of one order, as its client saw it. */
export type Ending = "confirmed" | "refused" | "other";

const PATH = "/order.v1.OrderService/CreateOrder";
const DEADLINE_MS = 5_000;
/** More than a service that refuses in time keeps busy. An order without one waits, and counts. */
const CONNECTIONS = 256;

/** Returns a function that places an order of each customer in turn, by JSON over HTTP/1.1. */
export function orders(url: string, tokens: readonly string[]): () => Promise<Ending> {
  const pool = new Pool(url, { connections: CONNECTIONS, pipelining: 1 });
  let next = 0;
  return () => {
    const card = next++ % tokens.length;
    const { promise, resolve } = Promise.withResolvers<Ending>();
    const body = JSON.stringify({
      requestId: crypto.randomUUID(),
      items: [{ sku: anyProduct().sku, quantity: 1 }],
      paymentMethod: { token: `tok_visa_${card}` },
    });
    const headers = {
      authorization: `Bearer ${tokens[card]}`,
      "content-type": "application/json",
      "connect-timeout-ms": String(DEADLINE_MS),
    };
    let [status, text] = [0, ""];
    // The form of undici that costs the client least.
    pool.dispatch(
      { path: PATH, method: "POST", headers, body },
      {
        onRequestStart: () => {},
        onResponseStart: (_controller, statusCode) => {
          status = statusCode;
        },
        onResponseData: (_controller, chunk) => {
          text += chunk;
        },
        onResponseEnd: () => resolve(endingOf(status, text)),
        onResponseError: () => resolve("other"),
      },
    );
    return promise;
  };
}

function endingOf(status: number, text: string): Ending {
  if (status === 503 || status === 429) return "refused";
  return text.includes("ORDER_STATUS_CONFIRMED") ? "confirmed" : "other";
}
