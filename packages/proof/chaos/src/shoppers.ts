import { setTimeout as sleep } from "node:timers/promises";
import { createApi } from "@tercet/stack";
import { isPassing } from "./passing.ts";
import { pick, type Random } from "./random.ts";

export interface ShoppingOptions {
  /** Where they may call at the moment. */
  readonly urls: () => readonly string[];
  /** A customer's. */
  readonly token: string;
  readonly sku: string;
  readonly orders: number;
  /** They come at equal distances in this time. */
  readonly overMs: number;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly onPlaced: () => void;
}

export interface Shopping {
  /** Orders that they were told of, by request_id. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** What they were told that no fault explains. */
  readonly refusals: readonly string[];
}

/** Most are slow: there must be something to take over. */
const TOKENS = [
  "tok_slow",
  "tok_slow",
  "tok_slow",
  "tok_visa",
  "tok_flaky",
  "tok_timeout_then_success",
  "tok_declined",
];
const CALL = { timeoutMs: 4_000 };
const AGAIN_MS = 100;

/** Customers who each place one order, at whatever replica, until they are told of it. */
export async function shop(options: ShoppingOptions): Promise<Shopping> {
  const { orders, overMs, random, signal, onPlaced } = options;
  const acknowledged = new Map<string, string>();
  const refusals: string[] = [];
  const shoppers: Promise<void>[] = [];
  // Before anything happens that takes from the same chance in no certain order.
  for (const token of Array.from({ length: orders }, () => pick(TOKENS, random))) {
    if (signal.aborted) break;
    const request = {
      requestId: crypto.randomUUID(),
      items: [{ sku: options.sku, quantity: 1 }],
      paymentMethod: { token },
    };
    const told = (orderId: string) => {
      acknowledged.set(request.requestId, orderId);
      onPlaced();
    };
    shoppers.push(
      insist(options, request).then(
        told,
        (error) => void refusals.push(`I10: CreateOrder: ${error}`),
      ),
    );
    await sleep(overMs / orders, undefined, { signal }).catch(() => {});
  }
  await Promise.all(shoppers);
  signal.throwIfAborted();
  return { acknowledged, refusals };
}

type OrderRequest = Parameters<ReturnType<typeof createApi>["orders"]["createOrder"]>[0];

async function insist(
  { urls, token, random, signal }: ShoppingOptions,
  request: OrderRequest,
): Promise<string> {
  for (;;) {
    try {
      const { id } = await createApi(pick(urls(), random), token).orders.createOrder(request, {
        ...CALL,
        signal,
      });
      return id;
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error;
      await sleep(AGAIN_MS, undefined, { signal });
    }
  }
}
