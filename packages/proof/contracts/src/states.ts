import { Code, ConnectError } from "@connectrpc/connect";
import { PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import { serviceToken } from "@tercet/service";
import { createApi } from "@tercet/stack";
import { OPERATOR, ORDER_SECRET, type Services } from "./services.ts";

type Values = Readonly<Record<string, string>>;

/**
 * Sets a provider state up by the services' own RPCs. Resolves to the values that replace the
 * pact's examples in the request.
 */
export type StateHandler = (params: Values) => Promise<Values>;

const NONE: Values = {};
const uuid = (): string => crypto.randomUUID();

export function stateHandlers({ urls }: Services): Readonly<Record<string, StateHandler>> {
  return { ...identityStates(urls), ...orderStates(urls), ...paymentStates(urls) };
}

type Urls = Services["urls"];

const identityStates = ({ identity: url }: Urls): Record<string, StateHandler> => ({
  "Ada is registered": async ({ email = "", password = "" }) => {
    await createApi(url)
      .identity.register({ email, password, displayName: "Ada", requestId: uuid() })
      .catch((error: unknown) => {
        if (ConnectError.from(error).code !== Code.AlreadyExists) throw error;
      });
    return NONE;
  },
  "a user is logged in": () => newUser(url),
  "Order is a client of Identity": async () => ({ clientSecret: ORDER_SECRET }),
});

async function newUser(url: string): Promise<{ token: string; refreshToken: string }> {
  const { identity } = createApi(url);
  const credentials = { email: `${uuid()}@example.com`, password: "correct horse battery" };
  await identity.register({ ...credentials, displayName: "Ada", requestId: uuid() });
  const { accessToken, refreshToken } = await identity.login(credentials);
  return { token: accessToken, refreshToken };
}

function orderStates({ identity, order }: Urls): Record<string, StateHandler> {
  const place = async (paymentToken: string, requestId = uuid()): Promise<Values> => {
    const customer = await newUser(identity);
    const items = [{ sku: "MUG", quantity: 2 }];
    const { id } = await createApi(order, customer.token).orders.createOrder({
      requestId,
      items,
      paymentMethod: { token: paymentToken },
    });
    return { ...customer, orderId: id };
  };
  return {
    "the catalog sells MUG for 12.50 EUR, and VINYL, of which there is none": async () => {
      const { accessToken } = await createApi(identity).identity.login(OPERATOR);
      const { catalog } = createApi(order, accessToken);
      const price = { currencyCode: "EUR", minorUnits: 1_250n };
      for (const product of [
        { sku: "MUG", name: "Blue mug", stock: 500n },
        { sku: "VINYL", name: "First pressing" },
      ])
        await catalog.putProduct({
          requestId: uuid(),
          product: { ...product, description: "Stoneware.", price },
        });
      return NONE;
    },
    "a customer has an order that is CONFIRMED": () => place("tok_visa"),
    "a customer has an order that is REJECTED": () => place("tok_declined"),
    "a customer used the request id for another order": ({ requestId }) =>
      place("tok_declined", requestId),
    "another customer has an order": async () => ({
      ...(await place("tok_visa")),
      ...(await newUser(identity)),
    }),
  };
}

function paymentStates({ identity: identityUrl, payment }: Urls): Record<string, StateHandler> {
  const asOrder = serviceToken({
    identityUrl,
    clientId: "order",
    clientSecret: ORDER_SECRET,
    audience: "payment",
  });
  const payments = async () => createApi(payment, await asOrder()).payments;
  const charge = async ({ paymentId = "", orderId = "", customerId = "" }: Values, token: string) =>
    (await payments()).processPayment({
      ...{ paymentId, orderId, customerId },
      amount: { currencyCode: "EUR", minorUnits: 2_500n },
      paymentMethod: { token },
    });
  return {
    "Order has a token for Payment": async () => ({ token: await asOrder() }),
    "the payment was charged": async (params) => {
      const { status } = await charge(params, "tok_visa");
      if (status !== PaymentStatus.SUCCEEDED)
        throw new Error(`the payment is ${PaymentStatus[status]}`);
      return NONE;
    },
    "the payment was refunded before it was charged": async ({ paymentId = "" }) => {
      await (await payments()).refundPayment({ paymentId, refundId: uuid(), reason: "" });
      return NONE;
    },
    // The provider does not report whether it charged.
    "the payment is being charged": async (params) => {
      const error = ConnectError.from(
        await charge(params, "tok_timeout").catch((failure: unknown) => failure),
      );
      if (error.code !== Code.Unavailable) throw error;
      return NONE;
    },
  };
}
