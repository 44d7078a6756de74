import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";

/** The public API as one caller sees it, through the edge. */
export interface Api {
  readonly identity: Client<typeof IdentityService>;
  readonly catalog: Client<typeof CatalogService>;
  readonly orders: Client<typeof OrderService>;
  readonly payments: Client<typeof PaymentService>;
}

/** Returns clients of the API behind a URL, which send the token if there is one. */
export function createApi(baseUrl: string, token?: string): Api {
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "1.1",
    interceptors: token === undefined ? [] : [authorize],
  });
  return {
    identity: createClient(IdentityService, transport),
    catalog: createClient(CatalogService, transport),
    orders: createClient(OrderService, transport),
    payments: createClient(PaymentService, transport),
  };
}

/** Logs in and returns the user's API; it works until the access token expires (10 minutes). */
export async function logIn(
  baseUrl: string,
  credentials: { readonly email: string; readonly password: string },
): Promise<Api> {
  const { accessToken } = await createApi(baseUrl).identity.login(credentials);
  return createApi(baseUrl, accessToken);
}
