import { setTimeout as sleep } from "node:timers/promises";

/** How long each order took, in milliseconds, and how long all of them. */
export interface Measured {
  readonly tookMs: readonly number[];
  readonly wallMs: number;
}

type Order = () => Promise<void>;

/** As many as there can be: each buyer places the next order when the last one is done. */
export async function saturate(order: Order, buyers: number, durationMs: number): Promise<Measured> {
  const tookMs: number[] = [];
  const start = performance.now();
  const buy = async () => {
    while (performance.now() - start < durationMs) tookMs.push(await timed(order));
  };
  await Promise.all(Array.from({ length: buyers }, buy));
  return { tookMs, wallMs: performance.now() - start };
}

/** So many a second, however long they take; each is measured from the moment that it was due, so that none is left out for being slow. */
export async function atRate(order: Order, perSecond: number, durationMs: number): Promise<Measured> {
  const orders: Promise<number>[] = [];
  const start = performance.now();
  for (let due = 0; due < durationMs; due += 1_000 / perSecond) {
    const waitMs = start + due - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    orders.push(order().then(() => performance.now() - start - due));
  }
  return { tookMs: await Promise.all(orders), wallMs: performance.now() - start };
}

async function timed(order: Order): Promise<number> {
  const start = performance.now();
  await order();
  return performance.now() - start;
}
