import type { Money } from "@tercet/service";
import type { Stack } from "@tercet/stack";

/** The URL of each service: all at the edge, or each at its own port. */
export type Targets = Readonly<Record<"identity" | "order" | "payment", string>>;

/** All at the edge. */
export const atEdge = ({ urls: { edge } }: Pick<Stack, "urls">): Targets => ({
  identity: edge,
  order: edge,
  payment: edge,
});

/** A client of the shop: a protocol, and a program that speaks it. */
export interface ShopClient extends Disposable {
  /** The shop for the bearer of this token, or for an anonymous caller. */
  shop(token?: string): Shop;
}

/**
 * What customers and operators do, with plain values. A refused call throws the client's own error;
 * `failure` reads it.
 */
export interface Shop {
  register(user: {
    readonly email: string;
    readonly password: string;
    readonly displayName: string;
  }): Promise<{ id: string }>;
  login(credentials: {
    readonly email: string;
    readonly password: string;
  }): Promise<{ accessToken: string }>;
  listProducts(page: {
    readonly pageSize: number;
    readonly pageToken: string;
  }): Promise<{ products: Product[]; nextPageToken: string }>;
  putProduct(product: Product): Promise<Product>;
  createOrder(order: OrderRequest, options?: { readonly timeoutMs?: number }): Promise<Order>;
  getOrder(orderId: string): Promise<Order>;
  listOrders(): Promise<Order[]>;
  cancelOrder(orderId: string): Promise<Order>;
  /** Yields the order now and at each change, until the server ends the stream. */
  watchOrder(orderId: string): AsyncIterable<Order>;
  getPayment(paymentId: string): Promise<Payment>;
}

export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly price: Money;
  readonly stock: bigint;
}

export interface OrderRequest {
  readonly requestId: string;
  readonly sku: string;
  readonly quantity: number;
  readonly paymentToken: string;
}

export interface Order {
  readonly id: string;
  readonly customerId: string;
  /** As in the contract, without the prefix: "CONFIRMED". */
  readonly status: string;
  readonly total: Money;
  readonly paymentId: string;
  readonly failureReason: string | undefined;
  /** The response had `idempotent-replayed: true`. */
  readonly replayed: boolean;
}

export interface Payment {
  readonly id: string;
  readonly status: string;
  readonly amount: Money;
  readonly declineReason: string | undefined;
  readonly refunds: readonly {
    readonly id: string;
    readonly amount: Money;
    readonly status: string;
  }[];
}

export const REPLAYED = "idempotent-replayed";

/** A refused call, for clients that have no error class for it. */
export class CallFailure extends Error {
  /** As Connect writes it: "not_found". */
  readonly code: string;
  readonly reason: string | undefined;

  constructor(code: string, reason: string | undefined, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
    this.reason = reason;
  }
}

/** Collects a stream. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}
