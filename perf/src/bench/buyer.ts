import { createApi, logIn, type Stack } from "@tercet/stack";
import { anyProduct, PRODUCTS } from "./products.ts";

const STOCK = 1_000_000_000n;

/**
 * Returns a function that places one order: by JSON at Order's own port, to keep the client light.
 */
export async function buyer(stack: Stack): Promise<() => Promise<void>> {
  const { identity } = createApi(stack.urls.edge);
  const { catalog } = await logIn(stack.urls.edge, stack.users.olivia);
  for (const { sku, name, price } of PRODUCTS) {
    const product = { sku, name, price, stock: STOCK };
    await catalog.putProduct({ product, requestId: crypto.randomUUID() });
  }
  const login = async () => (await identity.login(stack.users.alice)).accessToken;
  let token = await login();
  let renewal: Promise<string> | undefined;
  /** One login for all concurrent callers: more would count as password guessing. */
  const renew = async () => {
    renewal ??= login().finally(() => {
      renewal = undefined;
    });
    token = await renewal;
  };
  const place = () =>
    fetch(`${stack.urls.order}/order.v1.OrderService/CreateOrder`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({
        requestId: crypto.randomUUID(),
        items: [{ sku: anyProduct().sku, quantity: 1 }],
        paymentMethod: { token: "tok_visa" },
      }),
    });
  return async () => {
    let response = await place();
    if (response.status === 401) {
      await renew();
      response = await place();
    }
    const text = await response.text();
    if (!text.includes("ORDER_STATUS_CONFIRMED"))
      throw new Error(`an order was not confirmed: ${text.slice(0, 200)}`);
  };
}
