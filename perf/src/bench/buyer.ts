import { createApi, logIn } from "@tercet/stack";
import { anyProduct, putProducts } from "./products.ts";

/** What a buyer knows of a system, of this revision or another. */
export interface Shop {
  readonly urls: Readonly<Record<"edge" | "order", string>>;
  readonly users: Readonly<Record<"alice" | "olivia", Credentials>>;
}

interface Credentials {
  readonly email: string;
  readonly password: string;
}

/**
 * Returns a function that places one order: by JSON at Order's own port, to keep the client light.
 * With several URLs of Order's processes, each gets its turn.
 */
export async function buyer(
  { urls, users }: Shop,
  orderUrls: readonly string[] = [urls.order],
): Promise<() => Promise<void>> {
  const { identity } = createApi(urls.edge);
  await putProducts(await logIn(urls.edge, users.olivia));
  const login = async () => (await identity.login(users.alice)).accessToken;
  let token = await login();
  let renewal: Promise<string> | undefined;
  /** One login for all concurrent callers: more would count as password guessing. */
  const renew = async () => {
    renewal ??= login().finally(() => {
      renewal = undefined;
    });
    token = await renewal;
  };
  let placed = 0;
  const place = () =>
    fetch(`${orderUrls[placed++ % orderUrls.length]}/order.v1.OrderService/CreateOrder`, {
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
