import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Order, OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaAction, SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import {
  type Saga,
  SagaLateReason,
  SagaResolutionOutcome,
  SagaService,
  SagaState,
} from "@tercet/gen/order/v1/saga_service";
import { PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import { reasonOf } from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, beforeEach, expect, inject, test, vi } from "vitest";
import { startOrderService, unsettled, wanted } from "./harness.ts";

const olivia = uuidv7();
const WAIT = { timeout: 10_000 * inject("timeFactor"), interval: 50 };

/** A saga compensates for a day, as by default: it is stuck, and not parked. */
let service: Awaited<ReturnType<typeof startOrderService>>;
let orders: Awaited<ReturnType<typeof service.as<typeof OrderService>>>;
let sagas: Awaited<ReturnType<typeof service.as<typeof SagaService>>>;
beforeAll(async () => {
  service = await startOrderService();
  orders = await service.as(OrderService, uuidv7(), "customer");
  sagas = await service.as(SagaService, olivia, "operator");
});
afterAll(() => service?.[Symbol.asyncDispose]());
beforeEach(() => service.participant.behave("works"));

const becomes = (orderId: string, status: OrderStatus): Promise<Order> =>
  vi.waitFor(async () => {
    const order = await orders.getOrder({ orderId });
    expect(OrderStatus[order.status]).toBe(OrderStatus[status]);
    return order;
  }, WAIT);

/** Charged, sold out, and not refunded. */
async function stuck(): Promise<Order> {
  service.participant.behave("refuses refunds");
  const request = wanted("RARE");
  const order = await unsettled((options) => orders.createOrder(request, options));
  return await becomes(order.id, OrderStatus.CANCELLING);
}

/** A confirmed order whose cancellation waits for its refund. */
async function cancelling(quantity: number): Promise<Order> {
  const { id: orderId } = await orders.createOrder(wanted("TEA", quantity));
  service.participant.behave("refuses refunds");
  const request = { orderId, requestId: crypto.randomUUID(), reason: "" };
  return await unsettled((options) => orders.cancelOrder(request, options));
}

async function sagaOf(order: Order): Promise<Saga> {
  const { sagas: found } = await sagas.listSagas({ orderId: order.id, pageSize: 1 });
  return found[0] ?? expect.unreachable("the order has no saga");
}

const resolution = (sagaId: string) => ({
  sagaId,
  requestId: crypto.randomUUID(),
  outcome: SagaResolutionOutcome.SETTLED_OUTSIDE,
  reference: "transfer 4711",
  reason: "the card was closed",
});

/** A worker may claim the saga between the read and the write: operators repeat the call. */
const resolve = (request: ReturnType<typeof resolution>) =>
  vi.waitFor(() => sagas.resolveSaga(request), WAIT);

const failure = async (call: Promise<unknown>) => {
  const error = await call.then(() => expect.unreachable("it is not refused"), ConnectError.from);
  return [Code[error.code], reasonOf(error)];
};

const stock = async (): Promise<bigint> =>
  (await service.sql`select stock from products where sku = 'TEA'`)[0]?.["stock"];

test("an order names its sagas, and the sagas of one order can be listed", async () => {
  await orders.createOrder(wanted());
  const order = await cancelling(1);
  const { sagas: found } = await sagas.listSagas({ orderId: order.id });
  expect(found.map(({ kind }) => kind)).toEqual(["cancel-order", "place-order"]);
  expect((await orders.getOrder({ orderId: order.id })).sagaIds).toEqual(
    found.map(({ id }) => id).reverse(),
  );
  await resolve(resolution(found[0]?.id ?? ""));
});

test("a refusal is distinguished from silence, in the events and in last_error", async () => {
  const attempts = async ({ id }: Saga) =>
    (await sagas.getSaga({ sagaId: id })).events.filter(({ action }) => action === SagaAction.UNDO);
  const order = await stuck();
  const saga = await sagaOf(order);
  await vi.waitFor(async () => expect((await attempts(saga)).length).toBeGreaterThan(1), WAIT);
  for (const event of await attempts(saga))
    expect(event).toMatchObject({
      outcome: SagaOutcome.RETRY_SCHEDULED,
      message: "Aborted: refused by the payment provider: no",
    });
  expect((await sagaOf(order)).lastError).toBe("Aborted: refused by the payment provider: no");
  service.participant.behave("is down");
  await vi.waitFor(async () => {
    expect((await attempts(saga)).at(-1)).toMatchObject({
      outcome: SagaOutcome.UNKNOWN,
      message: "Unavailable: down",
    });
    expect((await sagaOf(order)).lastError).toBe("Unavailable: down");
  }, WAIT);
  await resolve(resolution(saga.id));
});

test("late sagas are listed with their age and the reason, and no others", async () => {
  const confirmed = await orders.createOrder(wanted());
  const order = await stuck();
  const late = async (lateAfterSeconds?: number) => {
    const { sagas: found } = await sagas.listSagas({
      late: true,
      ...(lateAfterSeconds !== undefined && { lateAfter: { seconds: BigInt(lateAfterSeconds) } }),
    });
    expect(found.map(({ orderId }) => orderId)).not.toContain(confirmed.id);
    return found.find(({ orderId }) => orderId === order.id);
  };
  const begun = (age: string) =>
    service.sql`update sagas set create_time = now() - ${age}::interval where subject = ${order.id}`;
  const saga = await sagaOf(order);
  // By its age; SQL sets the attempt, so that it does not become FAILING meanwhile.
  await service.sql`update sagas set attempt = 0, next_run_at = now() + interval '1 hour' where id = ${saga.id}`;
  await service.sql`update sagas set attempt = 0 where id = ${saga.id}`;
  expect(await late()).toBeUndefined();
  expect((await late(0))?.lateReason).toBe(SagaLateReason.AGE);
  await begun("61 seconds");
  const old = await late();
  expect(old?.lateReason).toBe(SagaLateReason.AGE);
  expect(durationMs(old?.age ?? expect.unreachable("it has no age"))).toBeGreaterThan(60_999);
  expect(await late(3_600)).toBeUndefined();
  await service.sql`update sagas set attempt = 5 where id = ${saga.id}`;
  expect((await late(3_600))?.lateReason).toBe(SagaLateReason.FAILING);
  await service.sql`update sagas set version = 9 where id = ${saga.id}`;
  expect((await late())?.lateReason).toBe(SagaLateReason.UNKNOWN_VERSION);
  await service.sql`update sagas set version = 1, state = 'NEEDS_ATTENTION', resume_state = 'COMPENSATING' where id = ${saga.id}`;
  expect((await late(3_600))?.lateReason).toBe(SagaLateReason.NEEDS_ATTENTION);
  const closed = await resolve(resolution(saga.id));
  expect(closed).toMatchObject({ lateReason: SagaLateReason.UNSPECIFIED });
  expect(await late(0)).toBeUndefined();
});

test("an age outside of 0 s to 30 days is refused", async () => {
  for (const seconds of [-1n, 2_592_001n])
    expect(await failure(sagas.listSagas({ late: true, lateAfter: { seconds } }))).toEqual([
      "InvalidArgument",
      "INVALID_FIELD",
    ]);
});

test("ResolveSaga closes a saga that is being undone, once, and records how, why and by whom", async () => {
  const order = await stuck();
  const saga = await sagaOf(order);
  const request = resolution(saga.id);
  const closed = await resolve(request);
  expect(closed).toMatchObject({
    state: SagaState.RESOLVED,
    resolution: {
      outcome: SagaResolutionOutcome.SETTLED_OUTSIDE,
      reference: "transfer 4711",
      reason: "the card was closed",
      principal: olivia,
    },
  });
  expect(closed.resolution?.time).toBeDefined();
  expect(closed.nextRunTime).toBeUndefined();
  const settled = {
    step: "charge",
    action: SagaAction.UNDO,
    outcome: SagaOutcome.RESOLVED,
    message: "settled outside (transfer 4711): the card was closed",
  };
  expect(closed.events.at(-1)).toMatchObject({ ...settled, principal: olivia });
  const seen = await becomes(order.id, OrderStatus.CANCELLED);
  // Customers see what happened, and not which operator it was.
  expect(seen.timeline.at(-1)).toMatchObject({ ...settled, principal: "" });
  expect(seen.failure?.reason).toBe("OUT_OF_STOCK");

  // It stays closed: no worker takes it up, and the same request has no second effect.
  service.participant.behave("works");
  const again = await orders.createOrder(wanted());
  expect(again.status).toBe(OrderStatus.CONFIRMED);
  expect(await sagas.resolveSaga(request)).toEqual({ ...closed, age: expect.anything() });
  expect(await failure(sagas.resolveSaga(resolution(saga.id)))).toEqual([
    "FailedPrecondition",
    "SAGA_NOT_RESOLVABLE",
  ]);
  expect(
    await failure(sagas.retrySaga({ sagaId: saga.id, requestId: crypto.randomUUID() })),
  ).toEqual(["FailedPrecondition", "SAGA_NOT_RETRYABLE"]);
  expect(service.participant.statusOf(order.paymentId)).toBe(PaymentStatus.SUCCEEDED);
});

test("a resolved cancellation returns the stock that its order holds", async () => {
  const before = await stock();
  const order = await cancelling(7);
  expect(order.status).toBe(OrderStatus.CANCELLING);
  expect(await stock()).toBe(before - 7n);
  const request = { ...resolution((await sagaOf(order)).id) };
  const closed = await resolve({ ...request, outcome: SagaResolutionOutcome.WRITTEN_OFF });
  expect(closed).toMatchObject({ kind: "cancel-order", step: "refund", state: SagaState.RESOLVED });
  expect(await stock()).toBe(before);
  const seen = await becomes(order.id, OrderStatus.CANCELLED);
  expect(seen.timeline.at(-1)?.message).toBe("written off (transfer 4711): the card was closed");
});

test("a saga that could still be undone is not resolved; once it is, it can be", async () => {
  service.participant.behave("is down");
  const request = wanted();
  const order = await unsettled((options) => orders.createOrder(request, options));
  const { id: sagaId } = await sagaOf(order);
  const error = await sagas.resolveSaga(resolution(sagaId)).catch(ConnectError.from);
  expect(error).toMatchObject({
    code: Code.FailedPrecondition,
    rawMessage: "a saga that is RUNNING can still be undone: compensate it first",
  });
  await vi.waitFor(
    () => sagas.compensateSaga({ sagaId, requestId: crypto.randomUUID(), reason: "fraud" }),
    WAIT,
  );
  await resolve(resolution(sagaId));
  await becomes(order.id, OrderStatus.CANCELLED);
});

test("a resolution needs an outcome, a reference and a reason", async () => {
  const request = resolution(uuidv7());
  for (const missing of [
    { outcome: SagaResolutionOutcome.UNSPECIFIED },
    { reference: "" },
    { reason: "" },
  ])
    expect(await failure(sagas.resolveSaga({ ...request, ...missing }))).toEqual([
      "InvalidArgument",
      "INVALID_FIELD",
    ]);
  const customer = await service.as(SagaService, uuidv7(), "customer");
  expect(await failure(customer.resolveSaga(request))).toEqual([
    "PermissionDenied",
    "PERMISSION_DENIED",
  ]);
});
