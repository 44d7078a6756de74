import { randomUUID } from "node:crypto";
import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { createApi } from "@tercet/stack";

/** The product of infra/catalog.jsonl of which there is most: all checks together sell some 800. */
const SKU = "FILTERS-100";
/** The longest that a service allows. */
const LIMIT = { timeoutMs: 30_000 };

/** A customer who is logged in, through the gateway. */
export interface Customer {
  /** Places an order, or repeats the request of that id. Throws ConnectError if the call fails. */
  order(requestId: string, token?: string): Promise<Order>;
  find(orderId: string): Promise<Order>;
  /** The same customer through another gateway. */
  at(gateway: string): Customer;
}

export const isConfirmed = ({ status }: Order): boolean => status === OrderStatus.CONFIRMED;

export async function newCustomer(gateway: string): Promise<Customer> {
  const { identity } = createApi(gateway);
  const credentials = { email: `cluster-${randomUUID()}@example.com`, password: randomUUID() };
  const account = { ...credentials, displayName: "Cluster", requestId: randomUUID() };
  await identity.register(account, LIMIT);
  const { accessToken } = await identity.login(credentials, LIMIT);
  return customerAt(gateway, accessToken);
}

function customerAt(gateway: string, accessToken: string): Customer {
  const { orders } = createApi(gateway, accessToken);
  return {
    order: (requestId, token = "tok_visa") => {
      const items = [{ sku: SKU, quantity: 1 }];
      return orders.createOrder({ requestId, items, paymentMethod: { token } }, LIMIT);
    },
    find: (orderId) => orders.getOrder({ orderId }, LIMIT),
    at: (another) => customerAt(another, accessToken),
  };
}
