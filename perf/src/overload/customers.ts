import http from "node:http";
import { createApi, logIn, type Stack } from "@tercet/stack";
import { anyProduct, PRODUCTS } from "../bench/products.ts";

/** The outcome of one order, as its client saw it. */
export type Ending = "confirmed" | "refused" | "other";

const STOCK = 1_000_000_000n;
/** So many that no one has more than a share. */
const CUSTOMERS = 16;
const DEADLINE_MS = 5_000;
/** Of sockets, so that the client is not what saturates. */
const MAX_SOCKETS = 2_000;

/**
 * Registers customers, and returns a function that places an order of one of them, in turn: by JSON
 * at Order's own port, to keep the client light.
 */
export async function customers(stack: Stack): Promise<() => Promise<Ending>> {
  const { identity } = createApi(stack.urls.edge);
  const { catalog } = await logIn(stack.urls.edge, stack.users.olivia);
  for (const { sku, name, price } of PRODUCTS) {
    const product = { sku, name, price, stock: STOCK };
    await catalog.putProduct({ product, requestId: crypto.randomUUID() });
  }
  const tokens: string[] = [];
  for (let n = 0; n < CUSTOMERS; n++) {
    const user = { email: `customer-${n}@example.com`, password: "a password of a customer" };
    await identity.register({ ...user, displayName: "Cy", requestId: crypto.randomUUID() });
    tokens.push((await identity.login(user)).accessToken);
  }
  const agent = new http.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  let next = 0;
  return () => {
    const customer = next++ % tokens.length;
    return placeOrder(stack.urls.order, agent, `Bearer ${tokens[customer]}`, customer);
  };
}

function placeOrder(
  url: string,
  agent: http.Agent,
  authorization: string,
  card: number,
): Promise<Ending> {
  const body = JSON.stringify({
    requestId: crypto.randomUUID(),
    items: [{ sku: anyProduct().sku, quantity: 1 }],
    paymentMethod: { token: `tok_visa_${card}` },
  });
  const headers = {
    authorization,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "connect-timeout-ms": DEADLINE_MS,
  };
  const { promise, resolve } = Promise.withResolvers<Ending>();
  const request = http.request(
    `${url}/order.v1.OrderService/CreateOrder`,
    { agent, method: "POST", headers },
    (response) => {
      let text = "";
      response
        .on("data", (chunk) => {
          text += chunk;
        })
        .on("end", () => resolve(endingOf(response.statusCode, text)));
    },
  );
  request.on("error", () => resolve("other")).end(body);
  return promise;
}

function endingOf(status: number | undefined, text: string): Ending {
  if (status === 503 || status === 429) return "refused";
  return text.includes("ORDER_STATUS_CONFIRMED") ? "confirmed" : "other";
}
