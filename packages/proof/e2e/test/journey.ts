import type { Money } from "@tercet/service";
import type { Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectGrpc } from "./clients/connect.ts";
import { failure } from "./clients/failure.ts";
import {
  collect,
  type OrderRequest,
  type Product,
  type Shop,
  type ShopClient,
} from "./clients/shop.ts";
import { movedFor } from "./expect-invariants.ts";
import { signToken } from "./forged-token.ts";
import { patient } from "./patience.ts";

const EUR = (minorUnits: bigint): Money => ({ currencyCode: "EUR", minorUnits });
const JPY = (minorUnits: bigint): Money => ({ currencyCode: "JPY", minorUnits });
const missing = { code: "not_found", reason: "NOT_FOUND" };

const PROVIDER_TIMEOUT_MS = Math.min(patient(6_000), 15_000);

/**
 * Settings of a stack for the journey: a slow machine has time to place an order before it is
 * settled.
 */
export const journeySettings = {
  PROVIDER_TIMEOUT_MS: String(PROVIDER_TIMEOUT_MS),
  RECONCILE_AFTER_MS: String(PROVIDER_TIMEOUT_MS + 2_000),
  SAGA_STEP_TIMEOUT_MS: String(PROVIDER_TIMEOUT_MS + 2_000),
};

interface Customer {
  readonly id: string;
  readonly shop: Shop;
}

/** Registers and logs in. */
async function newCustomer(client: ShopClient): Promise<Customer> {
  const user = {
    email: `${crypto.randomUUID()}@example.com`,
    password: "correct horse battery",
    displayName: "Ada",
  };
  const { id } = await client.shop().register(user);
  const { accessToken } = await client.shop().login(user);
  return { id, shop: client.shop(accessToken) };
}

const one = ({ sku }: Product, paymentToken = "tok_visa"): OrderRequest => ({
  requestId: crypto.randomUUID(),
  sku,
  quantity: 1,
  paymentToken,
});

/** Makes a call once more, with the same request_id, when a busy machine answered too late. */
async function twice<T>(call: () => Promise<T>): Promise<T> {
  const first = call();
  return (await failure(first)).code === "deadline_exceeded" ? await call() : await first;
}

async function findProduct(shop: Shop, sku: string, pageSize = 100): Promise<Product | undefined> {
  for (let pageToken = ""; ; ) {
    const page = await shop.listProducts({ pageSize, pageToken });
    const found = page.products.find((product) => product.sku === sku);
    if (found !== undefined || page.nextPageToken === "") return found;
    pageToken = page.nextPageToken;
  }
}

/**
 * A stack and its operator's token. Concurrent logins of one account look like guesses at its
 * password, so the operator logs in once.
 */
export interface OpenShop {
  readonly stack: Stack;
  readonly operatorToken: string;
}

export async function openShop(stack: Stack): Promise<OpenShop> {
  using client = connectGrpc(stack.urls);
  const { accessToken: operatorToken } = await client.shop().login(stack.users.olivia);
  return { stack, operatorToken };
}

/**
 * The tests that a client of every protocol passes. Each has its own customers and products, so
 * that they run concurrently.
 */
export function orderJourney(open: () => OpenShop, connect: (stack: Stack) => ShopClient): void {
  let stack: Stack;
  let client: ShopClient;
  let operator: Shop;
  beforeAll(() => {
    stack = open().stack;
    client = connect(stack);
    operator = client.shop(open().operatorToken);
  });
  afterAll(() => client?.[Symbol.dispose]());

  /** A product that no other test buys. */
  const newProduct = ({
    price,
    stock: pieces,
  }: {
    price: Money;
    stock: bigint;
  }): Promise<Product> =>
    operator.putProduct({
      sku: `Z-${crypto.randomUUID().slice(0, 18).toUpperCase()}`,
      name: "Teapot",
      price,
      stock: pieces,
    });

  test("an order is placed, watched until it is confirmed, listed, cancelled, and refunded", async () => {
    const { id: customerId, shop } = await newCustomer(client);
    const product = await newProduct({ price: EUR(1_999n), stock: 5n });
    // The seed's twelve products come before it.
    expect(await findProduct(client.shop(), product.sku, 12)).toEqual(product);

    // The provider's first reply is lost: until the time-out no one knows the outcome.
    const request = { ...one(product, "tok_timeout_then_success"), quantity: 2 };
    const placed = {
      ...(await twice(() => shop.createOrder(request, { timeoutMs: PROVIDER_TIMEOUT_MS / 3 }))),
      // Unless it was asked for twice.
      replayed: false,
    };
    expect(placed).toMatchObject({ customerId, status: "PENDING", total: EUR(3_998n) });
    const watched = await collect(shop.watchOrder(placed.id));
    expect(watched[0]?.status).toBe("PENDING");
    expect(watched.at(-1)).toEqual({ ...placed, status: "CONFIRMED" });
    expect(await shop.listOrders()).toEqual([{ ...placed, status: "CONFIRMED" }]);
    expect(await shop.getPayment(placed.paymentId)).toMatchObject({
      status: "SUCCEEDED",
      amount: EUR(3_998n),
      refunds: [],
    });
    expect((await findProduct(client.shop(), product.sku))?.stock).toBe(3n);

    const cancelled = { ...placed, status: "CANCELLED", failureReason: "CANCELLED_BY_CUSTOMER" };
    expect(await shop.cancelOrder(placed.id)).toEqual(cancelled);
    expect(await shop.getOrder(placed.id)).toEqual(cancelled);
    const payment = await shop.getPayment(placed.paymentId);
    expect(payment).toMatchObject({
      status: "REFUNDED",
      refunds: [{ amount: EUR(3_998n), status: "SUCCEEDED" }],
    });
    expect(await movedFor(stack, placed.paymentId)).toEqual({
      charges: [EUR(3_998n)],
      refunds: [EUR(3_998n)],
    });
    expect((await findProduct(client.shop(), product.sku))?.stock).toBe(5n);
  });

  test("an order of 1000.00 is declined, one of a cent less is not", async () => {
    const { shop } = await newCustomer(client);
    const declined = await shop.createOrder(
      one(await newProduct({ price: EUR(100_000n), stock: 1n })),
    );
    expect(declined).toMatchObject({ status: "REJECTED", failureReason: "PAYMENT_DECLINED" });
    expect(await shop.getPayment(declined.paymentId)).toMatchObject({
      status: "DECLINED",
      declineReason: "LIMIT_EXCEEDED",
      refunds: [],
    });
    expect(await movedFor(stack, declined.paymentId)).toEqual({ charges: [], refunds: [] });

    const approved = await shop.createOrder(
      one(await newProduct({ price: EUR(99_999n), stock: 1n })),
    );
    expect(approved).toMatchObject({ status: "CONFIRMED", failureReason: undefined });
    expect(await movedFor(stack, approved.paymentId)).toEqual({
      charges: [EUR(99_999n)],
      refunds: [],
    });
  });

  test("the last piece is sold once: a later payment for it is refunded", async () => {
    const { shop } = await newCustomer(client);
    const product = await newProduct({ price: EUR(4_500n), stock: 1n });
    expect(await shop.createOrder(one(product))).toMatchObject({ status: "CONFIRMED" });
    const late = await shop.createOrder(one(product));
    expect(late).toMatchObject({ status: "CANCELLED", failureReason: "OUT_OF_STOCK" });
    expect(await shop.getPayment(late.paymentId)).toMatchObject({
      status: "REFUNDED",
      refunds: [{ amount: EUR(4_500n) }],
    });
    expect(await movedFor(stack, late.paymentId)).toEqual({
      charges: [EUR(4_500n)],
      refunds: [EUR(4_500n)],
    });
  });

  test("a request_id makes one order, however often and fast it is sent", async () => {
    const { shop } = await newCustomer(client);
    const request = one(await newProduct({ price: JPY(1_500n), stock: 9n }));
    const [first, second] = await Promise.all([
      shop.createOrder(request),
      shop.createOrder(request),
    ]);
    expect(second.id).toBe(first.id);
    expect([first.replayed, second.replayed].sort()).toEqual([false, true]);
    expect(await shop.createOrder(request)).toEqual({
      ...first,
      status: "CONFIRMED",
      replayed: true,
    });
    const reused = { code: "invalid_argument", reason: "REQUEST_ID_REUSED" };
    expect(await failure(shop.createOrder({ ...request, quantity: 2 }))).toEqual(reused);
    expect(await shop.listOrders()).toHaveLength(1);
    expect(await movedFor(stack, first.paymentId)).toEqual({ charges: [JPY(1_500n)], refunds: [] });
  });

  test("another customer's order and payment are not found", async () => {
    const { shop } = await newCustomer(client);
    const { id, paymentId } = await shop.createOrder(
      one(await newProduct({ price: EUR(500n), stock: 1n })),
    );
    const other = (await newCustomer(client)).shop;
    expect(await failure(other.getOrder(id))).toEqual(missing);
    expect(await failure(other.cancelOrder(id))).toEqual(missing);
    expect(await failure(collect(other.watchOrder(id)))).toEqual(missing);
    expect(await failure(other.getPayment(paymentId))).toEqual(missing);
    expect(await other.listOrders()).toEqual([]);
    expect(await shop.getOrder(id)).toMatchObject({ status: "CONFIRMED" });
  });

  test("without a valid token only the catalog is served, and a customer's token does no operator's work", async () => {
    const { id: sub, shop } = await newCustomer(client);
    const product = await newProduct({ price: EUR(500n), stock: 1n });
    const order = await shop.createOrder(one(product));
    const everything = (as: Shop) => [
      as.createOrder(one(product)),
      as.getOrder(order.id),
      as.listOrders(),
      as.cancelOrder(order.id),
      collect(as.watchOrder(order.id)),
      as.getPayment(order.paymentId),
      as.putProduct(product),
    ];
    const expired = await signToken(stack, {
      sub,
      roles: ["customer", "operator"],
      issuedIn: -700,
      expiresIn: -100,
    });
    const valid = await signToken(stack, { sub, roles: ["customer"] });
    for (const stranger of [client.shop(), client.shop(expired)]) {
      const failures = await Promise.all(everything(stranger).map(failure));
      expect(failures).toEqual(
        failures.map(() => ({ code: "unauthenticated", reason: "UNAUTHENTICATED" })),
      );
    }
    expect(await failure(client.shop(valid).putProduct(product))).toEqual({
      code: "permission_denied",
      reason: "PERMISSION_DENIED",
    });
    // The tokens above are refused for their claims, not for their signature.
    expect(await client.shop(valid).listOrders()).toEqual([order]);
  });
}
