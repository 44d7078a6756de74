import { type PlaceInput, paymentIdOf, placeOrderSaga, postgresStore } from "@tercet/order";
import type { PaymentStore } from "@tercet/payment";
import {
  countSagas,
  createMove,
  createSagaEngine,
  postgresSagaStore,
  type SagaStore,
  type Worker,
} from "@tercet/saga";
import { type Sql, toMoneyJson } from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { CUSTOMERS, connectUnlimited, customer } from "./growth-seed.ts";
import { anyProduct } from "./products.ts";

/** What is measured, and what is done around it, once for each call. */
export interface Operation {
  readonly before?: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
  readonly after?: () => Promise<unknown>;
}

const PAGE = 21;
/** Open sagas of a process that ended. */
const LEFT = 16;
const LEASE_MS = 2_000;
const SOME = 100;

const anyOf = <T>(all: readonly T[]): T => all[Math.floor(Math.random() * all.length)] as T;
const anyCustomer = () => customer(Math.floor(Math.random() * CUSTOMERS));

interface SomeOrder {
  readonly id: string;
  readonly paymentId: string;
}

/** Chooses confirmed orders from everywhere in the table, all of which this reads. */
export async function someOrders(url: string): Promise<readonly SomeOrder[]> {
  await using sql = connectUnlimited(url);
  return await sql<SomeOrder[]>`
    select id, payment_id as "paymentId" from orders where status = 'CONFIRMED' order by payment_id limit ${SOME}`;
}

/** What Order asks of its database, of some of its orders. */
export function orderOperations(
  sql: Sql,
  some: readonly SomeOrder[],
): Readonly<Record<string, Operation>> {
  const store = postgresStore(sql);
  const sagas = postgresSagaStore(sql);
  const times = { deadlineMs: 120_000, compensationBudgetMs: 120_000 };
  const definition = placeOrderSaga({ orders: store, payments: {} as never, times });
  const engine = createSagaEngine({ store: sagas, definitions: [] });
  const any = () => anyOf(some).id;
  const list = (customerId: string | undefined, status?: "CONFIRMED" | "REJECTED" | "PENDING") =>
    store.listOrders({ customerId, status }, undefined, PAGE);
  const newOrder = () => {
    const id = uuidv7();
    const { sku, name, price } = anyProduct();
    const customerId = anyCustomer();
    const items = [{ sku, name, quantity: 1, unitPrice: price }];
    const order = { id, customerId, items, total: price, paymentId: paymentIdOf(id) };
    const { paymentId, total } = order;
    const input: PlaceInput = {
      customerId,
      paymentId,
      amount: toMoneyJson(total),
      token: "tok_visa",
    };
    return { order, saga: engine.prepare(definition, id, input, customerId) };
  };
  const insert = async ({ order, saga }: ReturnType<typeof newOrder>) => {
    const request = {
      caller: order.customerId,
      requestId: crypto.randomUUID(),
      method: "CreateOrder",
      fingerprint: "f".repeat(64),
      resourceId: order.id,
    };
    if (!(await store.insertOrder(request, order, saga)))
      throw new Error("an order was not placed: its product is not as seeded");
  };
  let placed = newOrder();
  const confirm = async () => {
    const saga = { ...placed.saga, fence: 1n };
    return await store.confirmOrders([createMove(saga, { state: "COMPLETED", step: "allocate" })]);
  };
  return {
    "create an order": {
      run: () => {
        placed = newOrder();
        return insert(placed);
      },
      // A later claim does not find it.
      after: confirm,
    },
    "confirm an order": {
      before: () => {
        placed = newOrder();
        return insert(placed);
      },
      run: confirm,
    },
    "get an order": { run: () => store.findOrder(any()) },
    "watch 16 orders": { run: () => store.listVersions(Array.from({ length: 16 }, any)) },
    "list the newest orders": { run: () => list(undefined) },
    "list orders from the middle": {
      run: () => store.listOrders({ customerId: undefined, status: undefined }, any(), PAGE),
    },
    "list a customer's orders": { run: () => list(anyCustomer()) },
    "list CONFIRMED orders": { run: () => list(undefined, "CONFIRMED") },
    "list REJECTED orders": { run: () => list(undefined, "REJECTED") },
    "list PENDING orders": { run: () => list(undefined, "PENDING") },
    "list a customer's REJECTED orders": { run: () => list(anyCustomer(), "REJECTED") },
    "list a customer's PENDING orders": { run: () => list(anyCustomer(), "PENDING") },
    "record a refund": {
      run: () => {
        const { id: orderId, paymentId } = anyOf(some);
        const refunded = { currencyCode: "EUR", minorUnits: 1n };
        return store.recordRefunds("bench", "page", [{ orderId, paymentId, refunded }]);
      },
    },
    "sweep 100 request ids": {
      before: () => sql`
        insert into requests (caller, request_id, method, fingerprint, resource_id, create_time)
        select 'bench', gen_random_uuid(), 'CreateOrder', '', '', now() - interval '1 year' from generate_series(1, 100)`,
      run: () => store.sweepRequests(100),
    },
    ...sagaOperations(sql, sagas, definition),
    "count sagas for metrics": { run: () => countSagas(sql, [definition]) },
  };
}

type Definition = Pick<ReturnType<typeof placeOrderSaga>, "kind" | "version" | "steps">;

function sagaOperations(
  sql: Sql,
  sagas: SagaStore,
  { kind, version, steps }: Definition,
): Readonly<Record<string, Operation>> {
  const known = steps.map(({ name }) => ({ kind, version, step: name }));
  const worker = (instance: string | null = null): Worker => ({
    id: uuidv7(),
    name: "bench",
    instance,
  });
  const self = worker();
  const claim = (by: Worker) =>
    sagas.claimDue({
      worker: by,
      limit: 32,
      limitPerKey: 32,
      heldByKey: new Map(),
      leaseMs: LEASE_MS,
      sparing: false,
      known,
      held: [],
      orphaned: [],
    });
  const claimAll = async (by: Worker) => {
    const { length } = await claim(by);
    if (length !== LEFT) throw new Error(`${length} sagas were claimed, not ${LEFT}`);
  };
  /** Sagas that a worker left open, who was seen `agoMs` ago. */
  const leave = async ({ id, name, instance }: Worker, agoMs: number) => {
    await sql`
      insert into workers (id, name, instance, seen_at)
      values (${id}, ${name}, ${instance}, now() - ${agoMs} * interval '1 millisecond')`;
    await sql`
      insert into sagas (id, kind, version, subject, state, step, input, fairness_key, owner, fence, deadline_at)
      select gen_random_uuid(), ${kind}, ${version}, gen_random_uuid(), 'RUNNING', ${steps[0]?.name ?? ""}, '{}', n::text, ${id}, 1, now() + interval '1 hour'
      from generate_series(1, ${LEFT}::int) n`;
  };
  const end = async () => {
    await sql`update sagas set state = 'COMPLETED' where state in ('RUNNING', 'COMPENSATING')`;
    await sql`delete from workers`;
  };
  return {
    "look for due sagas": { run: () => claim(self) },
    "take over 16 sagas": {
      before: () => leave(worker(), 2 * LEASE_MS),
      run: () => claimAll(self),
      after: end,
    },
    "take back 16 sagas of an earlier life": {
      before: () => leave(worker("bench"), 0),
      run: async () => {
        const again = worker("bench");
        await sagas.register(again);
        await claimAll(again);
      },
      after: end,
    },
  };
}

/** What Payment asks of its database. */
export async function paymentOperations(
  store: PaymentStore,
): Promise<Readonly<Record<string, Operation>>> {
  const page = await store.list(
    { orderId: undefined, customerId: customer(1), status: undefined },
    undefined,
    SOME,
  );
  const any = () => anyOf(page);
  const middle = any();
  const list = (filter: Partial<Parameters<PaymentStore["list"]>[0]>) =>
    store.list(
      { orderId: undefined, customerId: undefined, status: undefined, ...filter },
      undefined,
      PAGE,
    );
  let id = "";
  const open = () => {
    id = crypto.randomUUID();
    const amount = { currencyCode: "EUR", minorUnits: 1_999n };
    const charge = { orderId: uuidv7(), customerId: anyCustomer(), amount };
    return store.open(id, { ...charge, fingerprint: "f".repeat(64) });
  };
  const settle = () => store.settle(id, { outcome: "approved", reference: id });
  const refund = { id: "refund-1", amount: { currencyCode: "EUR", minorUnits: 1n }, reason: "" };
  const reserve = () => store.reserveRefund(id, { ...refund, fingerprint: "f" });
  const settleRefund = () => store.settleRefund(id, refund.id);
  const paid = async () => {
    await open();
    await settle();
  };
  return {
    "store a payment": { run: open, after: settle },
    "settle a payment": { before: open, run: settle },
    "reserve a refund": { before: paid, run: reserve, after: settleRefund },
    "settle a refund": {
      before: async () => {
        await paid();
        await reserve();
      },
      run: settleRefund,
    },
    "get a payment": { run: () => store.get(any().id) },
    "list the newest payments": { run: () => list({}) },
    "list a customer's payments": { run: () => list({ customerId: anyCustomer() }) },
    "list an order's payments": { run: () => list({ orderId: any().charge?.orderId }) },
    "list DECLINED payments": { run: () => list({ status: "DECLINED" }) },
    "list PENDING payments": { run: () => list({ status: "PENDING" }) },
    "list a customer's PENDING payments": {
      run: () => list({ customerId: anyCustomer(), status: "PENDING" }),
    },
    "read the feed of refunds": {
      run: () =>
        store.listRefunded({ updateTime: middle.updateTime, id: middle.id }, LEASE_MS, PAGE),
    },
    "look for payments to reconcile": { run: () => store.pendingSince(LEASE_MS, 100) },
    "look for payments to watch": { run: () => store.watchedSince(LEASE_MS, 100) },
  };
}
