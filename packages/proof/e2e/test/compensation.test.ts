import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaAction, SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { type Saga, SagaService, SagaState } from "@tercet/gen/order/v1/saga_service";
import { REFUNDS_WORK } from "@tercet/payment";
import { connectPostgres, type Sql } from "@tercet/service";
import { type Api, createApi, type Stack } from "@tercet/stack";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  expect,
  onTestFinished,
  test,
  vi,
} from "vitest";
import { becomes, isLate, PATIENCE, persistently } from "./calls.ts";
import { expectInvariants, moves } from "./expect-invariants.ts";
import { patient } from "./patience.ts";
import { mostAtOnce, seenByPayment } from "./payment-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

/** For orders that are not refunded before the client's deadline. */
const SHORT = { timeoutMs: patient(1_000) };

let folder: TestFolder;
let stack: Stack;
let aliceToken: string;
let alice: Api;
let olivia: Api;
let sagas: Client<typeof SagaService>;

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder, { SAGA_LEASE_MS: "2000" });
  ({ accessToken: aliceToken } = await createApi(stack.urls.edge).identity.login(
    stack.users.alice,
  ));
  const { accessToken } = await createApi(stack.urls.edge).identity.login(stack.users.olivia);
  alice = createApi(stack.urls.edge, aliceToken);
  olivia = createApi(stack.urls.edge, accessToken);
  const authorized = createGrpcTransport({
    baseUrl: stack.urls.order,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${accessToken}`);
        return next(request);
      },
    ],
  });
  sagas = createClient(SagaService, authorized);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});
beforeEach(() => rm(join(stack.bookDir, REFUNDS_WORK), { force: true }));
afterEach(() => expectInvariants(stack));

const mendRefunds = () => writeFile(join(stack.bookDir, REFUNDS_WORK), "");

/** It is charged, the product is sold out, and the provider does not refund it. */
async function placeInVain({ orders }: Api): Promise<Order> {
  const order = aTeapot(await putTeapots(olivia, 0n), "tok_refund_fails");
  return await persistently(() => orders.createOrder(order, SHORT), isLate);
}

/** The numbers of the failed attempts at its refund. */
const failedRefunds = ({ timeline }: Order): number[] =>
  timeline
    .filter(
      ({ step, action, outcome }) =>
        step === "charge" && action === SagaAction.UNDO && outcome === SagaOutcome.RETRY_SCHEDULED,
    )
    .map(({ attempt }) => attempt);

async function parked({ id }: Order): Promise<Saga> {
  const { sagas: found } = await sagas.listSagas({ state: SagaState.NEEDS_ATTENTION });
  return (
    found.find(({ orderId }) => orderId === id) ?? expect.unreachable("operators do not see it")
  );
}

test("a refund that fails is retried at growing intervals, and its attempts are counted across a restart", async () => {
  const order = await becomes(alice, await placeInVain(alice), OrderStatus.CANCELLING);
  expect(order.failure?.reason).toBe("OUT_OF_STOCK");
  const failed = async () =>
    failedRefunds(await alice.orders.getOrder({ orderId: order.id })).length;
  await vi.waitFor(async () => expect(await failed()).toBeGreaterThan(2), PATIENCE);
  await stack.services.order.kill();
  await stack.services.order.ready();
  const before = await vi.waitFor(failed, PATIENCE);
  await vi.waitFor(async () => expect(await failed()).toBeGreaterThan(before), PATIENCE);
  expect(await moves(stack, order)).toEqual([1, 0]);
  await mendRefunds();
  const tries = failedRefunds(await becomes(alice, order, OrderStatus.CANCELLED));
  expect(tries).toEqual(tries.map((_, index) => index + 1));
  expect(await moves(stack, order)).toEqual([1, 1]);
});

test("a refund that fails until its deadline waits for an operator, whose retry finishes it", async () => {
  await using hasty = await stack.startReplica("order", { SAGA_COMPENSATION_BUDGET_MS: "1000" });
  const order = await placeInVain(createApi(hasty.url, aliceToken));
  await becomes(alice, order, OrderStatus.NEEDS_ATTENTION);
  const saga = await parked(order);
  expect(saga).toMatchObject({
    kind: "place-order",
    step: "charge",
    lastError:
      "the compensation budget is spent; last failure: Aborted: refused by the payment provider: it does not refund this charge for now",
  });
  expect(failedRefunds(await alice.orders.getOrder({ orderId: order.id })).length).toBeGreaterThan(
    1,
  );
  expect(await moves(stack, order)).toEqual([1, 0]);
  await mendRefunds();
  await sagas.retrySaga({ sagaId: saga.id, requestId: crypto.randomUUID() });
  await becomes(alice, order, OrderStatus.CANCELLED);
  expect(await moves(stack, order)).toEqual([1, 1]);
});

const DUE = 2_000;
/** Three times what it takes on two idle cores. */
const DRAINED_MS = patient(30_000);
/** How many sagas a process works on at once, and how many calls it sends to Payment at once. */
const AT_ONCE = 256;

/**
 * Inserts orders whose sagas are due at the same moment and held by no worker, as an outage of
 * every Order process leaves them.
 */
async function placeDue(sql: Sql, sku: string, count: number): Promise<void> {
  const items = [{ sku, name: "Teapot", quantity: 1, unitPrice: "1999" }];
  const { id: customerId } = await alice.identity.getMe({});
  await sql`
    with placed as (
      insert into orders (id, customer_id, status, items, currency_code, minor_units, payment_id)
      select gen_random_uuid(), ${customerId}, 'PENDING', ${sql.json(items)}, 'EUR', 1999, gen_random_uuid() from generate_series(1, ${count}::int)
      returning id, payment_id),
    begun as (
      insert into sagas (id, kind, version, subject, state, step, input, fence, deadline_at, events)
      select gen_random_uuid(), 'place-order', 1, id, 'RUNNING', 'charge',
        jsonb_build_object('customerId', ${customerId}::text, 'paymentId', payment_id, 'amount', jsonb_build_object('currencyCode', 'EUR', 'minorUnits', '1999'), 'token', 'tok_visa'),
        1, now() + interval '2 minutes',
        jsonb_build_array(jsonb_build_object('step', 'create', 'action', 'RUN', 'outcome', 'SUCCEEDED', 'attempt', 1, 'durationMs', 0,
          'message', '', 'worker', 'gone', 'time', now()))
      from placed)
    insert into requests (caller, request_id, method, fingerprint, resource_id)
    select ${customerId}, gen_random_uuid(), 'CreateOrder', 'of the test', id from placed`;
}

async function openSagas(sql: Sql): Promise<number> {
  const [row] = await sql<
    { open: number }[]
  >`select count(*)::int as open from sagas where state in ('RUNNING', 'COMPENSATING')`;
  return row?.open ?? expect.unreachable("a count without a row");
}

test("sagas that are all due when Order returns are resumed in batches, and soon finished", async () => {
  const { order } = stack.services;
  const sql = connectPostgres(stack.databaseUrls.order, { max: 1 });
  onTestFinished(() => sql.end());
  const sku = await putTeapots(olivia, BigInt(DUE));
  const seen = (await seenByPayment(stack, "ProcessPayment")).length;
  await order.stop();
  await placeDue(sql, sku, DUE);
  await order.start();
  const back = performance.now();
  await vi.waitFor(async () => expect(await openSagas(sql)).toBe(0), {
    timeout: 60_000,
    interval: 100,
  });
  const drained = performance.now() - back;
  const calls = (await seenByPayment(stack, "ProcessPayment")).slice(seen);
  expect(calls.filter(({ code }) => code === "ok")).toHaveLength(DUE);
  expect(calls.length).toBeLessThanOrEqual(DUE * 1.1);
  expect(mostAtOnce(calls)).toBeLessThanOrEqual(AT_ONCE);
  expect(mostAtOnce(calls)).toBeGreaterThan(1);
  expect((await expectInvariants(stack))["CONFIRMED"]).toBe(DUE);
  expect(drained).toBeLessThan(DRAINED_MS);
});
