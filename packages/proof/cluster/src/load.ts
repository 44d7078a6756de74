import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "@tercet/cli";
import type { Order } from "@tercet/gen/order/v1/order_service";
import { isConfirmed, newCustomer } from "./shop.ts";
import { waitFor } from "./wait.ts";

/** Below the gateway's limit for one address. */
const ORDERS_PER_SECOND = 6;
const SETTLE_LIMIT_MS = 60_000;

/**
 * Places orders while the work is done. Resolves to their number; throws CommandError if a call
 * failed, or if an order is not CONFIRMED in the end. Calls are not repeated.
 */
export async function underLoad(
  gateway: string,
  signal: AbortSignal,
  work: () => Promise<unknown>,
): Promise<number> {
  const customer = await newCustomer(gateway);
  const calls: Promise<Order | Error>[] = [];
  const done = new AbortController();
  const placing = (async () => {
    while (!done.signal.aborted && !signal.aborted) {
      calls.push(customer.order(randomUUID()).catch((error: Error) => error));
      await sleep(1_000 / ORDERS_PER_SECOND);
    }
  })();
  try {
    await work();
    // What is in flight, and what new pods serve.
    await sleep(3_000, undefined, { signal });
  } finally {
    done.abort();
    await placing;
  }
  const results = await Promise.all(calls);
  const failures = results.filter((result) => result instanceof Error);
  if (failures.length > 0)
    throw new CommandError(
      `${failures.length} of ${calls.length} calls failed: ${failures[0]?.message}`,
    );
  const orders = results.filter((result): result is Order => !(result instanceof Error));
  for (const order of orders)
    if (!isConfirmed(order))
      await waitFor(
        `order ${order.id} was not confirmed`,
        async () => isConfirmed(await customer.find(order.id)),
        { timeoutMs: SETTLE_LIMIT_MS, signal },
      );
  return orders.length;
}
