import { metrics } from "@opentelemetry/api";
import { type DataPoint, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { type Order, OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaService, SagaState } from "@tercet/gen/order/v1/saga_service";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test, vi } from "vitest";
import { startOrderService, unsettled, wanted } from "./harness.ts";

class Reader extends MetricReader {
  protected override async onShutdown() {}
  protected override async onForceFlush() {}
}

/** Compensation is parked after a second. */
const SETTINGS = { SAGA_COMPENSATION_BUDGET_MS: "1000" };
const WAIT = { timeout: 15_000, interval: 50 };

const reader = new Reader();
let service: Awaited<ReturnType<typeof startOrderService>>;
let orders: Awaited<ReturnType<typeof service.as<typeof OrderService>>>;
let sagas: Awaited<ReturnType<typeof service.as<typeof SagaService>>>;

beforeAll(async () => {
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  service = await startOrderService(SETTINGS);
  orders = await service.as(OrderService, crypto.randomUUID(), "customer");
  sagas = await service.as(SagaService, crypto.randomUUID(), "operator");
});
afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
  metrics.disable();
});
beforeEach(() => service.participant.behave("works"));
// Every test ends with all sagas finished.
afterEach(async () => {
  await vi.waitFor(async () => {
    const open =
      await service.sql`select id, state from sagas where state not in ('COMPLETED', 'COMPENSATED')`;
    expect(open).toEqual([]);
  }, WAIT);
});

/** Collects the metrics: values by name, with the saga kind where there is one. */
async function collected(): Promise<Record<string, number>> {
  const { resourceMetrics, errors } = await reader.collect();
  expect(errors).toEqual([]);
  const gauges = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  return Object.fromEntries(
    gauges.flatMap(({ descriptor, dataPoints }) =>
      (dataPoints as DataPoint<number>[]).map(({ attributes, value }) => [
        [descriptor.name, attributes["saga.kind"]].filter(Boolean).join(" "),
        value,
      ]),
    ),
  );
}

const becomes = (order: Pick<Order, "id">, status: OrderStatus): Promise<void> =>
  vi.waitFor(async () => {
    expect(OrderStatus[(await orders.getOrder({ orderId: order.id })).status]).toBe(
      OrderStatus[status],
    );
  }, WAIT);

const sagaOf = async ({ id }: Pick<Order, "id">, state: SagaState) => {
  const found = (await sagas.listSagas({ state, pageSize: 100 })).sagas.find(
    ({ orderId }) => orderId === id,
  );
  if (found === undefined) throw new Error("operators do not see the saga");
  return found;
};

const retry = async (sagaId: string) => sagas.retrySaga({ sagaId, requestId: crypto.randomUUID() });

/** Places `count` orders in sequence and returns the 98th percentile of their latency, in ms. */
async function p98(count: number): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    const started = performance.now();
    expect((await orders.createOrder(wanted())).status).toBe(OrderStatus.CONFIRMED);
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b).at(-Math.ceil(count / 50)) ?? 0;
}

/** Places orders that stay PENDING until the participant works again. */
async function pending(count: number): Promise<Order[]> {
  service.participant.behave("is down");
  const placed = await Promise.all(
    Array.from({ length: count }, () => wanted()).map((request) =>
      unsettled((options) => orders.createOrder(request, options)),
    ),
  );
  expect(new Set(placed.map(({ status }) => status))).toEqual(new Set([OrderStatus.PENDING]));
  return placed;
}

test.each([
  ["declines", "PAYMENT_DECLINED"],
  ["refuses", "PAYMENT_DECLINED"],
] as const)(
  "a participant that %s is called once, without a refund: the order is REJECTED",
  async (behaviour, reason) => {
    service.participant.behave(behaviour);
    const order = await orders.createOrder(wanted());
    expect(order).toMatchObject({ status: OrderStatus.REJECTED, failure: { reason } });
    expect(service.participant.callsFor(order.paymentId)).toEqual(["charge"]);
  },
);

test("sagas with corrupt input are parked after five tries and listed; other orders take no longer", async () => {
  const normal = await p98(100);
  const poisoned = await pending(20);
  const ids = poisoned.map(({ id }) => id);
  const inputs = await service.sql<{ id: string; input: unknown }[]>`
    select id, input from sagas where subject in (select i::uuid from jsonb_array_elements_text(${service.sql.json(ids)}) as i)`;
  // The new fence stops the worker that holds the saga.
  await service.sql`
    update sagas set input = '"?"', attempt = 0, owner = null, fence = fence + 1, next_run_at = now()
    where subject in (select i::uuid from jsonb_array_elements_text(${service.sql.json(ids)}) as i)`;
  service.participant.behave("works");
  const meanwhile = await p98(100);
  await Promise.all(poisoned.map((order) => becomes(order, OrderStatus.NEEDS_ATTENTION)));
  // The floor allows for a machine that is busy.
  expect(meanwhile).toBeLessThan(Math.max(2 * normal, 100 * inject("timeFactor")));

  expect(await collected()).toMatchObject({
    "tercet.saga.parked place-order": 20,
    "tercet.saga.parked cancel-order": 0,
  });
  for (const order of poisoned) {
    const parked = await sagaOf(order, SagaState.NEEDS_ATTENTION);
    expect(parked).toMatchObject({
      attempt: 4,
      step: "charge",
      lastError: expect.stringMatching(/expected object/),
    });
    expect(
      (await sagas.getSaga({ sagaId: parked.id })).events.filter(({ message }) =>
        message.includes("expected object"),
      ),
    ).toHaveLength(5);
  }
  for (const { id, input } of inputs) {
    await service.sql`update sagas set input = ${service.sql.json(input as never)} where id = ${id}`;
    await retry(id);
  }
  await Promise.all(poisoned.map((order) => becomes(order, OrderStatus.CONFIRMED)));
  expect(await collected()).toMatchObject({ "tercet.saga.parked place-order": 0 });
});

test("a saga of an unknown version is left alone, and counted", async () => {
  const [order] = await pending(1);
  if (order === undefined) throw new Error("no order");
  // As written by a newer process that was rolled back; no worker holds it.
  await service.sql`update sagas set version = 2, owner = null, fence = fence + 1, next_run_at = now() where subject = ${order.id}`;
  const [before] = await service.sql`select * from sagas where subject = ${order.id}`;
  service.participant.behave("works");
  // Meanwhile another saga is begun, released and claimed again: this one would have been, too.
  const [other] = await pending(1);
  service.participant.behave("works");
  await becomes(other as Order, OrderStatus.CONFIRMED);
  expect(await service.sql`select * from sagas where subject = ${order.id}`).toEqual([before]);
  const seen = await collected();
  expect(seen).toMatchObject({
    "tercet.saga.unknown_version": 1,
    "tercet.saga.open": 1,
    "tercet.saga.parked place-order": 0,
  });
  expect(seen["tercet.saga.oldest_open.age"]).toBeGreaterThan(0);
  await service.sql`update sagas set version = 1 where subject = ${order.id}`;
  await becomes(order, OrderStatus.CONFIRMED);
  expect(await collected()).toMatchObject({
    "tercet.saga.unknown_version": 0,
    "tercet.saga.open": 0,
    "tercet.saga.oldest_open.age": 0,
  });
});

test("a refund that keeps failing sets the parked gauge until an operator's retry completes it", async () => {
  service.participant.behave("cannot refund");
  const request = wanted("RARE");
  const order = await unsettled((options) => orders.createOrder(request, options));
  await becomes(order, OrderStatus.NEEDS_ATTENTION);
  expect(await collected()).toMatchObject({
    "tercet.saga.parked place-order": 1,
    "tercet.saga.open": 0,
  });
  service.participant.behave("works");
  await retry((await sagaOf(order, SagaState.NEEDS_ATTENTION)).id);
  await becomes(order, OrderStatus.CANCELLED);
  expect(await collected()).toMatchObject({ "tercet.saga.parked place-order": 0 });
});

test("a closed service reads nothing for metrics", async () => {
  const other = await startOrderService();
  expect(await collected()).toHaveProperty(["tercet.saga.open"]);
  await other[Symbol.asyncDispose]();
  // A query to the closed pool would fail the collection.
  expect(await collected()).toHaveProperty(["tercet.saga.open"]);
});
