import { toMoneyJson } from "@tercet/service";
import { paymentIdOf } from "../../src/order.ts";
import type { PlaceInput } from "../../src/sagas.ts";
import type { OrderRow } from "./memory-database.ts";
import { DECLINED_TOKEN } from "./payment-client.ts";
import type { World } from "./world.ts";

const MAX_TRIES = 6;
const CUSTOMER = "00000000-0000-4000-b000-000000000001";

/**
 * Schedules the orders of a world. Each customer repeats the same order until it is acknowledged.
 */
export function scheduleOrders(world: World): void {
  const { random, profile } = world;
  for (let n = 1; n <= profile.orders; n++) {
    const order: OrderRow = {
      id: `00000000-0000-4000-a000-${String(n).padStart(12, "0")}`,
      quantity: random.between(1, 3),
      amount: BigInt(random.between(1, 1_000)),
      status: "PENDING",
    };
    const input: PlaceInput = {
      customerId: CUSTOMER,
      paymentId: paymentIdOf(order.id),
      amount: toMoneyJson({ currencyCode: "EUR", minorUnits: order.amount }),
      token: random.chance(profile.declines) ? DECLINED_TOKEN : "tok_visa",
    };
    if (random.chance(profile.refundsFail)) world.payment.refundsFail.add(input.paymentId);
    world.waiting.add(order.id);
    world.time.after(random.between(0, profile.ordersMs), () => place(world, order, input, n, 1));
  }
}

function place(world: World, order: OrderRow, input: PlaceInput, n: number, attempt: number): void {
  if (!world.waiting.has(order.id)) return;
  if (attempt > MAX_TRIES) return void world.waiting.delete(order.id);
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
