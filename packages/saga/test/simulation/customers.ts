import type { OrderRow } from "./memory-database.ts";
import { type PlaceInput, paymentOf } from "./place-order.ts";
import type { World } from "./world.ts";

/** Orders are placed in the first part of the time of faults. */
const ORDERS_MS = 6_000;
const MOST_TRIES = 6;

/**
 * Places the orders of a world; each customer asks again, with the same order, until it is
 * acknowledged or patience ends.
 */
export function bringCustomers(world: World): void {
  const { random, profile } = world;
  for (let n = 1; n <= profile.orders; n++) {
    const order: OrderRow = {
      id: `o${n}`,
      quantity: random.between(1, 3),
      amount: BigInt(random.between(1, 1_000)),
      status: "PENDING",
    };
    const input = {
      paymentId: paymentOf(order.id),
      amount: order.amount,
      declined: random.chance(profile.declines),
    };
    if (random.chance(profile.refundsFail)) world.payment.refundsFail.add(order.id);
    world.waiting.add(order.id);
    world.time.after(random.between(0, ORDERS_MS), () => place(world, order, input, n, 1));
  }
}

function place(world: World, order: OrderRow, input: PlaceInput, n: number, attempt: number): void {
  if (!world.waiting.has(order.id)) return;
  if (attempt > MOST_TRIES) return void world.waiting.delete(order.id);
  const worker = world.anyWorker();
  worker?.process.deliver(world.random.skewed(1, 200), async () => {
    if (!(await worker.place(order, input, sagaId(n, attempt)))) return;
    world.waiting.delete(order.id);
    world.acknowledged.add(order.id);
  });
  world.time.after(world.random.between(500, 4_000), () =>
    place(world, order, input, n, attempt + 1),
  );
}

const sagaId = (n: number, attempt: number): string =>
  `00000000-0000-4000-8000-${String(n * 1_000 + attempt).padStart(12, "0")}`;
