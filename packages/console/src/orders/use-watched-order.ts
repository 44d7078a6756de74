import { createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { type Order, OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { useEffect, useState } from "react";
import { toProblem } from "../session/errors.ts";
import { msOf } from "../ui/format.ts";

export interface WatchedOrder {
  readonly order: Order | undefined;
  /** Why there is no order. An error of the connection is not one: it is tried again. */
  readonly error: unknown;
  /** Whether each change arrives as it happens. */
  readonly live: boolean;
  /** How far this browser's clock is ahead of the service's. */
  readonly skewMs: number;
  /** Watches it again, after something was done to it. */
  readonly refresh: () => void;
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 4_000;
/** In these the stream ends by itself. */
const SETTLED: ReadonlySet<OrderStatus> = new Set([
  OrderStatus.CONFIRMED,
  OrderStatus.REJECTED,
  OrderStatus.CANCELLED,
  OrderStatus.NEEDS_ATTENTION,
]);
/** A settled order changes only when someone acts on it: it is asked for now and then. */
const SETTLED_REFRESH_MS = 5_000;

export const isSettled = (status: OrderStatus): boolean => SETTLED.has(status);

interface Seen {
  readonly order?: Order;
  readonly error?: unknown;
  readonly live: boolean;
  readonly skewMs: number;
}

const NOTHING: Seen = { live: false, skewMs: 0 };

/** Follows an order by WatchOrder, over lost connections and restarts of the service. */
export function useWatchedOrder(orderId: string): WatchedOrder {
  const transport = useTransport();
  const [seen, setSeen] = useState<Seen>(NOTHING);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const over = new AbortController();
    const orders = createClient(OrderService, transport);
    void watch(orders, orderId, over.signal, (change) =>
      setSeen((before) => ({ ...before, ...change })),
    );
    return () => over.abort();
  }, [transport, orderId, round]);
  return {
    order: seen.order,
    error: seen.order === undefined ? seen.error : undefined,
    live: seen.live,
    skewMs: seen.skewMs,
    refresh: () => setRound((count) => count + 1),
  };
}

type Orders = ReturnType<typeof createClient<typeof OrderService>>;

async function watch(
  orders: Orders,
  orderId: string,
  signal: AbortSignal,
  show: (change: Partial<Seen>) => void,
): Promise<void> {
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    let last: OrderStatus | undefined;
    try {
      for await (const { order } of orders.watchOrder({ orderId }, { signal, timeoutMs: 0 })) {
        if (order === undefined) continue;
        show({ order, live: true, error: undefined, skewMs: skewOf(order) });
        last = order.status;
        retryMs = FIRST_RETRY_MS;
      }
    } catch (error) {
      if (signal.aborted) return;
      show({ live: false, error });
      if (!isPassing(error)) return;
    }
    const settled = last !== undefined && isSettled(last);
    await pause(settled ? SETTLED_REFRESH_MS : retryMs, signal);
    if (!settled) retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
    await whenVisible(signal);
  }
}

/** Whether it may work the next time. */
const isPassing = (error: unknown): boolean =>
  !["NOT_FOUND", "INVALID_FIELD", "INVALID_ARGUMENT", "PERMISSION_DENIED"].includes(
    toProblem(error).reason,
  );

/** An order that has just changed was written a moment ago; older ones say nothing. */
const skewOf = (order: Order): number => {
  const ago = Date.now() - (msOf(order.updateTime) ?? Date.now());
  return Math.abs(ago) < 2_000 ? Math.min(0, ago) : 0;
};

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

/** A page in the background keeps no stream: a browser opens only six to one address. */
function whenVisible(signal: AbortSignal): Promise<void> {
  if (document.visibilityState === "visible" || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      if (document.visibilityState !== "visible" && !signal.aborted) return;
      document.removeEventListener("visibilitychange", done);
      resolve();
    };
    document.addEventListener("visibilitychange", done);
    signal.addEventListener("abort", done, { once: true });
  });
}
