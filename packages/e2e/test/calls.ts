import { Code, ConnectError } from "@connectrpc/connect";
import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import type { Api } from "@tercet/stack";
import { expect, vi } from "vitest";

/** How long clients ask again before they give up. */
export const PATIENCE = { timeout: 20_000, interval: 100 };

/** "ok", or the code that the call failed with. */
export const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "ok",
    (error: unknown) => Code[ConnectError.from(error).code] ?? "",
  );

const isUnavailable = (error: unknown): boolean => ConnectError.from(error).code === Code.Unavailable;

/** What a client does that was told `unavailable`, or what else passes: it asks again, with the same request_id. Every other failure is one. */
export async function persistently<T>(call: () => Promise<T>, passes = isUnavailable): Promise<T> {
  const answer = await vi.waitUntil(
    () =>
      call().then(
        (value) => ({ value }),
        (error: unknown) => {
          if (!passes(error)) throw error;
        },
      ),
    PATIENCE,
  );
  return (answer as { value: T }).value;
}

/** Waits until the order has this status, and answers it as it is then. */
export const becomes = ({ orders }: Pick<Api, "orders">, { id: orderId }: Pick<Order, "id">, status: OrderStatus): Promise<Order> =>
  vi.waitFor(async () => {
    const order = await orders.getOrder({ orderId });
    expect(OrderStatus[order.status]).toBe(OrderStatus[status]);
    return order;
  }, PATIENCE);
