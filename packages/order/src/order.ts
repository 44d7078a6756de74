import type { SagaEvent, SagaFailure, SagaState } from "@tercet/saga";
import type { Money } from "@tercet/service";
import { v5 as uuidFrom } from "uuid";
import { OrderError } from "./errors.ts";

export const ORDER_STATUSES = [
  "PENDING",
  "CONFIRMED",
  "REJECTED",
  "CANCELLING",
  "CANCELLED",
  "NEEDS_ATTENTION",
] as const;

export type OrderStatus = (typeof ORDER_STATUSES)[number];

/**
 * Those that indexes hold: the others are the way of an order that is confirmed, which then changes
 * no index (ADR 0132).
 */
export const LISTED_STATUSES = ORDER_STATUSES.filter(
  (status) => status !== "PENDING" && status !== "CONFIRMED",
);

export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly description: string;
  /** Of one piece. */
  readonly price: Money;
  /** Pieces that can still be sold. */
  readonly stock: bigint;
  readonly updateTime: Date;
}

/** What an order copies of a product. */
export type PricedProduct = Pick<Product, "sku" | "name" | "price">;

export type NewProduct = Omit<Product, "updateTime">;

/** Name and price are the catalog's when the order was placed. */
export interface OrderItem {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly unitPrice: Money;
}

export interface Order {
  readonly id: string;
  readonly customerId: string;
  readonly status: OrderStatus;
  readonly items: readonly OrderItem[];
  readonly total: Money;
  readonly paymentId: string;
  /** How much of the payment was refunded, as far as this service knows. */
  readonly refunded: Money;
  readonly failure: SagaFailure | undefined;
  readonly createTime: Date;
  readonly updateTime: Date;
}

/** An order with its sagas and their events, the oldest first. */
export interface OrderWithTimeline extends Order {
  readonly sagaIds: readonly string[];
  readonly timeline: readonly SagaEvent[];
  /** Differs after every change of the order or of one of its sagas. */
  readonly version: string;
}

/** How much of an order's payment was refunded until now. */
export interface RefundedPayment {
  readonly orderId: string;
  readonly paymentId: string;
  readonly refunded: Money;
}

export type NewOrder = Pick<Order, "id" | "customerId" | "items" | "total" | "paymentId">;

/**
 * Every transition of an order. The statements and the sagas follow this table; a test checks that
 * they do.
 */
export const TRANSITIONS: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
  PENDING: ["CONFIRMED", "REJECTED", "CANCELLING", "CANCELLED", "NEEDS_ATTENTION"],
  CONFIRMED: ["CANCELLING"],
  REJECTED: [],
  CANCELLING: ["CANCELLED", "NEEDS_ATTENTION"],
  CANCELLED: [],
  NEEDS_ATTENTION: ["PENDING", "CANCELLING", "CANCELLED"],
};

/**
 * Returns whether the order changes only on request from now on: a confirmed order can still be
 * cancelled, and one that needs attention waits for an operator.
 */
export const isSettled = (status: OrderStatus): boolean =>
  status !== "PENDING" && status !== "CANCELLING";

export const PLACE_ORDER = "place-order";
export const CANCEL_ORDER = "cancel-order";

/**
 * The status of an order while its saga is in this state. The other final statuses are written by
 * the saga's steps.
 */
export function statusDuring(
  kind: string,
  state: Exclude<SagaState, "COMPLETED" | "COMPENSATED">,
): OrderStatus {
  if (state === "NEEDS_ATTENTION") return "NEEDS_ATTENTION";
  if (state === "RESOLVED") return "CANCELLED";
  return state === "RUNNING" && kind === PLACE_ORDER ? "PENDING" : "CANCELLING";
}

/**
 * Whether an order holds its stock while a saga of this kind is open: from its confirmation until
 * the last step of its cancellation.
 */
export const holdsStockDuring = (kind: string): boolean => kind === CANCEL_ORDER;

const MAX_TOTAL = 1_000_000_000_000n;
/** Pieces of a product that an operator can put in stock. */
export const MAX_STOCK = 1_000_000_000n;

/**
 * Prices an order from the catalog. Throws OrderError UNKNOWN_SKU, CURRENCY_MISMATCH or
 * TOTAL_TOO_LARGE.
 */
export function priceItems(
  wanted: readonly { sku: string; quantity: number }[],
  catalog: readonly PricedProduct[],
): Pick<Order, "items" | "total"> {
  const bySku = new Map(catalog.map((product) => [product.sku, product]));
  const items = wanted.map(({ sku, quantity }) => {
    const { name, price } = requireProduct(bySku.get(sku), sku);
    return { sku, name, quantity, unitPrice: price };
  });
  const currencies = new Set(items.map((item) => item.unitPrice.currencyCode));
  const [currencyCode, ...others] = currencies;
  if (currencyCode === undefined || others.length > 0)
    throw new OrderError("CURRENCY_MISMATCH", "all items of an order must have one currency", {
      currencies: [...currencies].join(", "),
    });
  const minorUnits = items.reduce((sum, item) => sum + itemTotal(item).minorUnits, 0n);
  if (minorUnits > MAX_TOTAL)
    throw new OrderError("TOTAL_TOO_LARGE", "the total of the order is too large", {
      max_minor_units: String(MAX_TOTAL),
    });
  return { items, total: { currencyCode, minorUnits } };
}

/** Throws OrderError PRICE_CHANGED if the total is not the one that the customer has seen. */
export function requireTotal(total: Money, expected: Money): void {
  if (total.minorUnits === expected.minorUnits && total.currencyCode === expected.currencyCode)
    return;
  throw new OrderError(
    "PRICE_CHANGED",
    `the order costs ${total.minorUnits} ${total.currencyCode} (minor units), not ${expected.minorUnits} ${expected.currencyCode}`,
    {
      expected_minor_units: String(expected.minorUnits),
      expected_currency_code: expected.currencyCode,
      total_minor_units: String(total.minorUnits),
      total_currency_code: total.currencyCode,
    },
  );
}

export const itemTotal = ({ unitPrice, quantity }: OrderItem): Money => ({
  ...unitPrice,
  minorUnits: unitPrice.minorUnits * BigInt(quantity),
});

/** Throws OrderError UNKNOWN_SKU. */
export function requireProduct<T>(product: T | undefined, sku: string): T {
  if (product === undefined) throw unknownSku(sku);
  return product;
}

export const unknownSku = (sku: string): OrderError =>
  new OrderError("UNKNOWN_SKU", `there is no product ${sku}`, { sku });

/** The id of an order's only payment: every attempt to charge the order uses it. */
export const paymentIdOf = (orderId: string): string => uuidFrom("payment", orderId);
