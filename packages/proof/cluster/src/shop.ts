import { randomUUID } from "node:crypto";
import { CommandError } from "@tercet/cli";

const TIMEOUT_MS = 35_000;

export interface PlacedOrder {
  readonly id: string;
  readonly status: string;
  readonly timeline?: readonly { readonly step: string; readonly worker?: string }[];
}

/** A customer who is logged in, through the gateway. */
export interface Customer {
  /** Places an order, or repeats the request of that id. Throws if the call fails. */
  order(requestId: string, token?: string): Promise<PlacedOrder>;
  find(orderId: string): Promise<PlacedOrder>;
  /** The same customer through another gateway. */
  at(gateway: string): Customer;
}

export const CONFIRMED = "ORDER_STATUS_CONFIRMED";

export async function newCustomer(gateway: string): Promise<Customer> {
  const email = `cluster-${randomUUID()}@example.com`;
  const password = randomUUID();
  await call(gateway, "identity.v1.IdentityService/Register", {
    ...{ email, password, displayName: "Cluster", requestId: randomUUID() },
  });
  const credentials = { email, password };
  const login = "identity.v1.IdentityService/Login";
  const { accessToken } = await call<{ accessToken: string }>(gateway, login, credentials);
  return customerAt(gateway, accessToken);
}

const customerAt = (gateway: string, token: string): Customer => ({
  order: (requestId, card = "tok_visa") =>
    call(
      gateway,
      "order.v1.OrderService/CreateOrder",
      {
        ...{ requestId, items: [{ sku: "COFFEE-1KG", quantity: 1 }] },
        paymentMethod: { token: card },
      },
      token,
    ),
  find: (orderId) => call(gateway, "order.v1.OrderService/GetOrder", { orderId }, token),
  at: (another) => customerAt(another, token),
});

async function call<T>(gateway: string, method: string, message: object, token = ""): Promise<T> {
  const response = await fetch(`${gateway}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new CommandError(`${method}: ${response.status} ${text.slice(0, 300)}`);
  return JSON.parse(text) as T;
}
