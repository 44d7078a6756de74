import type { SagaEvent, SagaFailure, SagaState } from "@tercet/saga";
import type { Money } from "@tercet/service";
import { v5 as uuidFrom } from "uuid";
import { OrderError } from "./errors.ts";
import type { Product } from "./product.ts";

export type OrderStatus =
  | "PENDING"
  | "CONFIRMED"
  | "REJECTED"
  | "CANCELLING"
  | "CANCELLED"
  | "NEEDS_ATTENTION";

/**
 * What was bought: name and price are the catalog's at that time. Stored as JSON, so the price is
 * text.
 */
export interface OrderItem {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly unitPrice: string;
}

export interface Order {
  readonly id: string;
  readonly customerId: string;
  readonly status: OrderStatus;
  readonly items: readonly OrderItem[];
  readonly currency: string;
  /** In the currency's minor unit. */
  readonly total: bigint;
  readonly paymentId: string;
  readonly failure: SagaFailure | null;
  readonly createTime: Date;
  readonly updateTime: Date;
}

/** An order with what its sagas did. */
export interface OrderWithTimeline extends Order {
  readonly timeline: readonly SagaEvent[];
  /** When it, or a saga of it, last changed; only to be compared. */
  readonly mark: string;
}

/** An order that is about to be placed. */
export type NewOrder = Pick<
  Order,
  "id" | "customerId" | "items" | "currency" | "total" | "paymentId"
>;

/**
 * Every move an order can make; whatever is not here is a defect. The statements of store.ts and
 * the sagas follow it, and a test holds them to it.
 */
export const TRANSITIONS: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
  PENDING: ["CONFIRMED", "REJECTED", "CANCELLING", "CANCELLED", "NEEDS_ATTENTION"],
  CONFIRMED: ["CANCELLING"],
  REJECTED: [],
  CANCELLING: ["CANCELLED", "NEEDS_ATTENTION"],
  CANCELLED: [],
  NEEDS_ATTENTION: ["PENDING", "CANCELLING"],
};

/**
 * Nothing more happens to it by itself. A confirmed order may still be cancelled; one that needs
 * attention waits for an operator.
 */
export const isSettled = (status: OrderStatus): boolean =>
  status !== "PENDING" && status !== "CANCELLING";

export const PLACE_ORDER = "place-order";
export const CANCEL_ORDER = "cancel-order";

/**
 * Where an order stands while its saga is in this state. Final states are written by the saga's own
 * steps.
 */
export function statusDuring(
  kind: string,
  state: Exclude<SagaState, "COMPLETED" | "COMPENSATED">,
): OrderStatus {
  if (state === "NEEDS_ATTENTION") return "NEEDS_ATTENTION";
  return state === "RUNNING" && kind === PLACE_ORDER ? "PENDING" : "CANCELLING";
}

const MAX_TOTAL = 1_000_000_000_000n;

/** Prices an order from the catalog. Throws UNKNOWN_SKU, CURRENCY_MISMATCH or TOTAL_TOO_LARGE. */
export function priceItems(
  wanted: readonly { sku: string; quantity: number }[],
  catalog: readonly Product[],
) {
  const bySku = new Map(catalog.map((product) => [product.sku, product]));
  const lines = wanted.map(({ sku, quantity }) => ({
    quantity,
    product: known(bySku.get(sku), sku),
  }));
  const currencies = new Set(lines.map((line) => line.product.currency));
  if (currencies.size !== 1)
    throw new OrderError("CURRENCY_MISMATCH", "an order is in one currency", {
      currencies: [...currencies].join(", "),
    });
  const total = lines.reduce(
    (sum, { product, quantity }) => sum + product.price * BigInt(quantity),
    0n,
  );
  if (total > MAX_TOTAL)
    throw new OrderError("TOTAL_TOO_LARGE", "the order's total is too large", {
      max_minor_units: String(MAX_TOTAL),
    });
  const items = lines.map(({ product, quantity }) => ({
    sku: product.sku,
    name: product.name,
    quantity,
    unitPrice: String(product.price),
  }));
  return { items, total, currency: [...currencies][0] ?? "" };
}

function known(product: Product | undefined, sku: string): Product {
  if (product === undefined)
    throw new OrderError("UNKNOWN_SKU", `there is no product ${sku}`, { sku });
  return product;
}

/** The one payment of an order: whoever asks again asks for the same. */
export const paymentIdOf = (orderId: string): string => uuidFrom("payment", orderId);

export const money = (currencyCode: string, minorUnits: bigint): Money => ({
  currencyCode,
  minorUnits,
});
