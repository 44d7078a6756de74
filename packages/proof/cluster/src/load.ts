import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError } from "@connectrpc/connect";
import { CommandError } from "@tercet/cli";
import type { Order } from "@tercet/gen/order/v1/order_service";
import { type Customer, isConfirmed, newCustomer } from "./shop.ts";
import { waitFor } from "./wait.ts";

/** They place orders in turn: a service that is short of time gives each a share of its places. */
const CUSTOMERS = 6;
/** Below the gateway's limit for one address. */
const ORDERS_PER_SECOND = 6;
const SETTLE_LIMIT_MS = 60_000;
const MAX_ATTEMPTS = 3;
/** Of the calls, at most this part may have been refused. */
const MAX_REFUSED = 0.05;

export interface Load {
  readonly orders: number;
  /** Calls that a service refused with the time to wait, and that then succeeded. */
  readonly repeated: number;
}

export const describeLoad = ({ orders, repeated }: Load): string =>
  `${orders} of ${orders} orders CONFIRMED, no call failed${repeated === 0 ? "" : `, ${repeated} were refused with "try again" and repeated`}`;

/**
 * Places orders while the work is done. Throws CommandError if a call failed, if more than a
 * twentieth of the calls were refused, or if an order is not CONFIRMED in the end.
 */
export async function underLoad(
  gateway: string,
  signal: AbortSignal,
  work: () => Promise<unknown>,
): Promise<Load> {
  const customers: Customer[] = [];
  for (let n = 0; n < CUSTOMERS; n++) customers.push(await newCustomer(gateway));
  const calls: Promise<Placed | Error>[] = [];
  const done = new AbortController();
  const placing = (async () => {
    while (!done.signal.aborted && !signal.aborted) {
      const customer = customers[calls.length % CUSTOMERS] as Customer;
      calls.push(place(customer, signal).catch((error: Error) => error));
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
  const called = results.filter((result): result is Placed => !(result instanceof Error));
  const refused = called.filter(({ refusals }) => refusals.length > 0);
  if (refused.length > calls.length * MAX_REFUSED)
    throw new CommandError(
      `${refused.length} of ${calls.length} calls were refused: ${refused[0]?.refusals[0]?.message}`,
    );
  for (const { result: order, customer } of called)
    if (!isConfirmed(order))
      await waitFor(
        `order ${order.id} was not confirmed`,
        async () => isConfirmed(await customer.find(order.id)),
        { timeoutMs: SETTLE_LIMIT_MS, signal },
      );
  return { orders: called.length, repeated: refused.length };
}

interface Placed extends Called<Order> {
  readonly customer: Customer;
}

async function place(customer: Customer, signal: AbortSignal): Promise<Placed> {
  const requestId = randomUUID();
  return { customer, ...(await repeatAsAsked(() => customer.order(requestId), signal)) };
}

interface Called<T> {
  readonly result: T;
  readonly refusals: readonly ConnectError[];
}

/**
 * Calls, and calls again after the time that a refusal asks for, as every client should: up to
 * three times. Throws what is no such refusal, such as a broken connection, at once.
 */
export async function repeatAsAsked<T>(
  call: () => Promise<T>,
  signal: AbortSignal,
): Promise<Called<T>> {
  const refusals: ConnectError[] = [];
  for (;;) {
    try {
      return { result: await call(), refusals };
    } catch (error) {
      const seconds = error instanceof ConnectError && error.metadata.get("retry-after");
      if (!seconds || refusals.length + 1 >= MAX_ATTEMPTS) throw error;
      refusals.push(error);
      await sleep(Number(seconds) * 1_000, undefined, { signal });
    }
  }
}
