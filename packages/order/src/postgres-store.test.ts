import {
  createMove,
  createSagaEngine,
  type Move,
  postgresSagaStore,
  type SagaEngine,
} from "@tercet/saga";
import {
  connectPostgres,
  REQUEST_RETENTION_MS,
  type RequestRecord,
  type Sql,
  toMoneyJson,
} from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  CANCEL_ORDER,
  type NewOrder,
  type Order,
  type OrderStatus,
  PLACE_ORDER,
  type RefundedPayment,
  TRANSITIONS,
} from "./order.ts";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import { cancelOrderSaga, placeOrderSaga } from "./sagas.ts";
import type { OrderStore } from "./store.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
let sql: Sql;
let store: OrderStore;
let engine: SagaEngine;
const customerId = uuidv7();
const times = { deadlineMs: 60_000, compensationBudgetMs: 60_000 };

beforeAll(async () => {
  database = await testDatabase(MIGRATIONS);
  sql = connectPostgres(database.url, { max: 20 });
  store = postgresStore(sql);
  engine = createSagaEngine({ store: postgresSagaStore(sql), definitions: [] });
  // Records every transition that a statement makes; the last test compares them with the table.
  await sql.unsafe(`
    create table transitions (before text, after text);
    create function record() returns trigger language plpgsql as $$ begin
      if old.status <> new.status then insert into transitions values (old.status, new.status); end if; return new; end $$;
    create trigger record after update on orders for each row execute function record()`);
});
beforeEach(async () => {
  await sql`insert into products (sku, name, description, currency_code, minor_units, stock) values ('TEA', 'Tea', '', 'EUR', 500, 10), ('POT', 'Pot', '', 'EUR', 900, 10)`;
});
afterEach(() => sql`truncate products, orders, sagas, requests, feeds`);
afterAll(async () => {
  await sql.end();
  await database[Symbol.asyncDispose]();
});

const request = (
  resourceId: string,
  requestId = crypto.randomUUID(),
  method = "CreateOrder",
): RequestRecord => ({
  caller: customerId,
  requestId,
  method,
  fingerprint: "f",
  resourceId,
});

const EUR = (minorUnits: bigint) => ({ currencyCode: "EUR", minorUnits });

/** A saga that places this order, as CreateOrder begins it. */
const placingSaga = ({ id, customerId, paymentId, total }: NewOrder) => {
  const definition = placeOrderSaga({ orders: store, payments: {} as never, times });
  const input = { customerId, paymentId, amount: toMoneyJson(total), token: "tok_visa" };
  return { ...engine.prepare(definition, id, input, customerId), origin: { correlationId: id } };
};

/** Inserts an order of this much tea, and returns the next move of its saga. */
async function placed(tea: number, pots = 0): Promise<{ id: string; sagaId: string; move: Move }> {
  const id = uuidv7();
  const items: Order["items"][number][] = [
    { sku: "TEA", name: "Tea", quantity: tea, unitPrice: EUR(500n) },
    ...(pots > 0 ? [{ sku: "POT", name: "Pot", quantity: pots, unitPrice: EUR(900n) }] : []),
  ];
  // Locks must not depend on the order of the items.
  if (Math.random() < 0.5) items.reverse();
  const total = EUR(BigInt(tea) * 500n + BigInt(pots) * 900n);
  const order = { id, customerId, items, total, paymentId: uuidv7() };
  const saga = placingSaga(order);
  await store.insertOrder(request(id), order, saga);
  return { id, sagaId: saga.id, move: move(saga.id, "COMPLETED") };
}

const move = (id: string, state: Move["state"], over: Partial<Move> = {}): Move =>
  createMove({ id, fence: 1n, state: "RUNNING", step: "allocate" }, { state, ...over });

const stock = async (sku: string) =>
  (await sql<{ stock: bigint }[]>`select stock from products where sku = ${sku}`)[0]?.stock;
const status = async (id: string) => (await store.findOrder(id))?.status;

/** How many rows of these tables this session, and others that have told, have read. */
async function rowsRead(session: Sql, tables: readonly string[]): Promise<number> {
  await session`select pg_stat_force_next_flush()`;
  const [row] = await session<{ read: bigint }[]>`
    select sum(seq_tup_read + idx_tup_fetch)::bigint as read from pg_stat_user_tables
    where relname in (select t from jsonb_array_elements_text(${session.json(tables)}) as t)`;
  return Number(row?.read);
}

test("an order is inserted once, together with its saga and its request", async () => {
  const id = uuidv7();
  const same = request(id);
  const order = { id, customerId, items: [], total: EUR(1n), paymentId: id };
  const results = await Promise.all(
    Array.from({ length: 20 }, () => store.insertOrder(same, order, placingSaga(order))),
  );
  expect(results.filter(Boolean)).toHaveLength(1);
  expect(await sql`select from orders`).toHaveLength(1);
  expect(await sql`select from sagas`).toHaveLength(1);
});

test("orders placed at once share statements; one that the database refuses fails alone", async () => {
  const place = (minorUnits: bigint) => {
    const id = uuidv7();
    const total = EUR(minorUnits);
    const order = { id, customerId, items: [], total, paymentId: uuidv7() };
    return store.insertOrder(request(id), order, placingSaga(order));
  };
  expect(await Promise.all(Array.from({ length: 30 }, () => place(1n)))).toEqual(
    Array(30).fill(true),
  );
  // The first alone, and the others together.
  expect(await sql`select distinct xmin from orders`).toHaveLength(2);
  const outcomes = await Promise.allSettled([1n, 2n, -1n, 3n].map(place));
  expect(outcomes.map(({ status }) => status)).toEqual([
    "fulfilled",
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  expect(await sql`select from orders`).toHaveLength(33);
  expect(await sql`select from requests`).toHaveLength(33);
  expect(await sql`select from sagas`).toHaveLength(33);
});

test.each<[string, Partial<Order["items"][number]>]>([
  ["another name", { name: "Green tea" }],
  ["another price", { unitPrice: EUR(499n) }],
  ["another currency", { unitPrice: { currencyCode: "USD", minorUnits: 500n } }],
  ["no product", { sku: "NONE" }],
])("an order of an item with %s is not placed; those beside it are", async (_, change) => {
  const place = (change: Partial<Order["items"][number]>) => {
    const id = uuidv7();
    const pot = { sku: "POT", name: "Pot", quantity: 1, unitPrice: EUR(900n) };
    const tea = { sku: "TEA", name: "Tea", quantity: 1, unitPrice: EUR(500n), ...change };
    const total = { ...tea.unitPrice, minorUnits: 1_400n };
    const order = { id, customerId, items: [pot, tea], total, paymentId: uuidv7() };
    return store.insertOrder(request(id), order, placingSaga(order));
  };
  expect(await Promise.all([{}, {}, change, {}].map(place))).toEqual([true, true, false, true]);
  expect(await sql`select from orders`).toHaveLength(3);
  expect(await sql`select from requests`).toHaveLength(3);
});

test("the same requests at several processes at once place each order once and do not deadlock", async () => {
  const orders = Array.from({ length: 20 }, () => {
    const id = uuidv7();
    return { id, customerId, items: [], total: EUR(1n), paymentId: uuidv7() };
  });
  const requests = orders.map(({ id }) => request(id));
  const replicas = Array.from({ length: 4 }, () => postgresStore(sql));
  const placed = await Promise.all(
    replicas.flatMap((replica, n) =>
      // Each replica in another order.
      orders.map((_, i) => {
        const index = (i * 7 + n * 5) % orders.length;
        const order = orders[index] as NewOrder;
        return replica.insertOrder(requests[index] as RequestRecord, order, placingSaga(order));
      }),
    ),
  );
  expect(placed.filter(Boolean)).toHaveLength(20);
  expect(await sql`select from orders`).toHaveLength(20);
});

test("in a group, results are in the order of the moves, and what is refused leaves the others", async () => {
  const all = [await placed(4), await placed(9), await placed(2), await placed(3)];
  const [first, , , last] = all;
  const stale = { ...(last?.move as Move), fence: 7n };
  const moves = all.map(({ move }) => (move === last?.move ? stale : move));
  // The sums are taken by saga: 4, 13, 15 of 10. What is refused is tried again alone.
  expect(await store.confirmOrders(moves.toReversed())).toEqual([
    { sagaId: all[3]?.sagaId, moved: false },
    { sagaId: all[2]?.sagaId, moved: false, refused: expect.anything() },
    { sagaId: all[1]?.sagaId, moved: false, refused: expect.anything() },
    { sagaId: first?.sagaId, moved: true },
  ]);
  expect(await stock("TEA")).toBe(6n);
  expect(await store.confirmOrders([moves[2] as Move])).toEqual([
    { sagaId: all[2]?.sagaId, moved: true },
  ]);
});

test.each<[string, (own: OrderStore, move: Move) => Promise<unknown>]>([
  ["confirming", (own, move) => own.confirmOrders([move])],
  ["closing", (own, move) => own.closeOrders([move])],
  ["restocking", (own, move) => own.restockOrders([move])],
])(
  "%s reads the rows of its order alone, with a plan of when there were few",
  async (_, change) => {
    await sql`update products set stock = 1000000`;
    const session = connectPostgres(database.url, { max: 1 });
    await using _end = { [Symbol.asyncDispose]: () => session.end() };
    const own = postgresStore(session);
    // Often enough for the plan that is kept.
    for (let n = 0; n < 10; n++) await change(own, (await placed(1)).move);
    const many = await Promise.all(Array.from({ length: 300 }, () => placed(1)));
    const before = await rowsRead(session, ["orders", "sagas"]);
    await change(own, many[150]?.move as Move);
    expect((await rowsRead(session, ["orders", "sagas"])) - before).toBeLessThan(30);
  },
);

test("a page of a list reads the rows of the page, however many there are", async () => {
  const mine = uuidv7();
  await sql`
    insert into orders (id, customer_id, status, items, currency_code, minor_units, payment_id)
    select gen_random_uuid(), case n % 2 when 0 then ${mine}::uuid else gen_random_uuid() end,
      case n % 4 when 0 then 'REJECTED' else 'CONFIRMED' end, '[]', 'EUR', 1, gen_random_uuid()
    from generate_series(1, 1000) n`;
  const session = connectPostgres(database.url, { max: 1 });
  await using _end = { [Symbol.asyncDispose]: () => session.end() };
  const read = () => rowsRead(session, ["orders"]);
  const nobody = undefined;
  for (const [filter, length] of [
    [{ customerId: nobody, status: undefined }, 10],
    [{ customerId: nobody, status: "REJECTED" }, 10],
    [{ customerId: nobody, status: "CONFIRMED" }, 10],
    [{ customerId: nobody, status: "PENDING" }, 0],
    [{ customerId: mine, status: undefined }, 10],
    [{ customerId: mine, status: "REJECTED" }, 10],
    [{ customerId: mine, status: "CONFIRMED" }, 10],
    [{ customerId: mine, status: "PENDING" }, 0],
  ] as const) {
    const before = await read();
    const page = await postgresStore(session).listOrders(filter, undefined, 10);
    expect(page).toHaveLength(length);
    // Of a customer's orders, a page of each status.
    expect((await read()) - before, JSON.stringify(filter)).toBeLessThanOrEqual(2 * length);
  }
});

test("a confirmation changes no index of orders, and a saga that ended keeps nothing of its call", async () => {
  const orders = await Promise.all(Array.from({ length: 8 }, () => placed(1)));
  const session = connectPostgres(database.url, { max: 1 });
  await using _end = { [Symbol.asyncDispose]: () => session.end() };
  const updates = async () => {
    await session`select pg_stat_force_next_flush()`;
    const [row] = await session<{ all: bigint; inPlace: bigint }[]>`
      select n_tup_upd as "all", n_tup_hot_upd as in_place from pg_stat_user_tables where relname = 'orders'`;
    return { all: row?.all ?? 0n, inPlace: row?.inPlace ?? 0n };
  };
  const before = await updates();
  await postgresStore(session).confirmOrders(orders.map(({ move }) => move));
  const after = await updates();
  expect(after.all - before.all).toBe(8n);
  expect(after.inPlace - before.inPlace).toBe(8n);
  expect(await sql`select distinct input, origin, fairness_key from sagas`).toEqual([
    { input: {}, origin: {}, fairnessKey: "" },
  ]);
});

test("confirming takes the stock; an order for more than the stock is refused and changes nothing", async () => {
  const enough = await placed(4, 2);
  const short = await placed(7, 1);
  expect(await store.confirmOrders([enough.move])).toEqual([
    { sagaId: enough.sagaId, moved: true },
  ]);
  expect(await store.confirmOrders([short.move])).toEqual([
    {
      sagaId: short.sagaId,
      moved: false,
      refused: { reason: "OUT_OF_STOCK", message: expect.stringContaining("TEA") },
    },
  ]);
  expect([await stock("TEA"), await stock("POT")]).toEqual([6n, 8n]);
  expect([await status(enough.id), await status(short.id)]).toEqual(["CONFIRMED", "PENDING"]);
});

test("refunds are recorded once, never decrease, and never exceed the total", async () => {
  const { id } = await placed(2);
  const paymentId = (await store.findOrder(id))?.paymentId ?? "";
  const record = (minorUnits: bigint, change: Partial<RefundedPayment> = {}) =>
    store.recordRefunds("feed", `token-${minorUnits}`, [
      { orderId: id, paymentId, refunded: EUR(minorUnits), ...change },
    ]);
  const refunded = async () => (await store.findOrder(id))?.refunded;
  const before = (await store.findOrder(id))?.version;
  expect(await store.findFeed("feed")).toBeUndefined();
  const changed = await Promise.all(Array.from({ length: 10 }, () => record(300n)));
  expect(changed.flat()).toEqual([id]);
  expect(await refunded()).toEqual(EUR(300n));
  expect((await store.findOrder(id))?.version).not.toBe(before);
  expect(await record(200n)).toEqual([]);
  expect(await record(400n, { paymentId: uuidv7() })).toEqual([]);
  expect(await record(400n, { refunded: { currencyCode: "USD", minorUnits: 400n } })).toEqual([]);
  expect(await refunded()).toEqual(EUR(300n));
  expect(await record(5_000n)).toEqual([id]);
  expect(await refunded()).toEqual(EUR(1_000n));
  expect(await store.findFeed("feed")).toBe("token-5000");
});

test("concurrent pages of refunds, in any order of orders, do not deadlock", async () => {
  const all = await Promise.all(Array.from({ length: 10 }, () => placed(1)));
  const refunds = await Promise.all(
    all.map(async ({ id }) => {
      const paymentId = (await store.findOrder(id))?.paymentId ?? "";
      return { orderId: id, paymentId, refunded: EUR(1n) };
    }),
  );
  const changed = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      store.recordRefunds("feed", "t", n % 2 === 0 ? refunds : refunds.toReversed()),
    ),
  );
  expect(changed.flat().sort()).toEqual(all.map(({ id }) => id).sort());
});

test("orders confirmed by one statement take from the stock in turn", async () => {
  const orders = await Promise.all([placed(4), placed(4), placed(4)]);
  const results = await store.confirmOrders(orders.map((order) => order.move));
  expect(results.filter((result) => result.moved)).toHaveLength(2);
  expect(results.filter((result) => result.refused?.reason === "OUT_OF_STOCK")).toHaveLength(1);
  expect(await stock("TEA")).toBe(2n);
});

test("of fifty concurrent orders for ten pieces ten are confirmed, without overselling or deadlock", async () => {
  const orders = await Promise.all(Array.from({ length: 50 }, () => placed(1, 1)));
  const results = (
    await Promise.all(orders.map((order) => store.confirmOrders([order.move])))
  ).flat();
  expect(results.filter((result) => result.moved)).toHaveLength(10);
  expect(results.filter((result) => result.refused !== undefined)).toHaveLength(40);
  expect([await stock("TEA"), await stock("POT")]).toEqual([0n, 0n]);
});

test("a write under an old fence, or from another state, changes nothing", async () => {
  const { id, sagaId } = await placed(1);
  expect(await store.confirmOrders([move(sagaId, "COMPLETED", { fence: 0n })])).toEqual([
    { sagaId, moved: false },
  ]);
  expect(await store.confirmOrders([move(sagaId, "COMPLETED", { from: "COMPENSATING" })])).toEqual([
    { sagaId, moved: false },
  ]);
  expect(await status(id)).toBe("PENDING");
  expect(await stock("TEA")).toBe(10n);
});

test.each([
  ["PAYMENT_DECLINED", "REJECTED"],
  ["OUT_OF_STOCK", "CANCELLED"],
])("an order closed for %s is %s", async (reason, expected) => {
  const { id, sagaId } = await placed(1);
  await store.closeOrders([move(sagaId, "COMPENSATED", { failure: { reason, message: "m" } })]);
  expect(await store.findOrder(id)).toMatchObject({
    status: expected,
    failure: { reason },
  });
});

test("the payment token leaves the database when its saga has ended, and not before", async () => {
  const token = async (sagaId: string) => {
    const [saga] = await sql`select input ->> 'token' as token from sagas where id = ${sagaId}`;
    return saga?.["token"];
  };
  const [confirmed, closed, parked] = [await placed(1), await placed(1), await placed(1)];
  await store.reflectMoves(
    [move(parked.sagaId, "NEEDS_ATTENTION", { resumeState: "RUNNING" })],
    PLACE_ORDER,
  );
  expect(await Promise.all([confirmed, closed, parked].map(({ sagaId }) => token(sagaId)))).toEqual(
    ["tok_visa", "tok_visa", "tok_visa"],
  );
  await store.confirmOrders([confirmed.move]);
  const failure = { reason: "PAYMENT_DECLINED", message: "" };
  await store.closeOrders([move(closed.sagaId, "COMPENSATED", { failure })]);
  const resolution = {
    outcome: "WRITTEN_OFF",
    reference: "r",
    reason: "r",
    principal: "p",
  } as const;
  await store.intervene(
    request(parked.sagaId, crypto.randomUUID(), "ResolveSaga"),
    move(parked.sagaId, "RESOLVED", { from: "NEEDS_ATTENTION", resolution }),
    PLACE_ORDER,
  );
  const everything = await sql.unsafe(
    `select s::text as row from sagas s union all select o::text from orders o union all select r::text from requests r`,
  );
  expect(everything.length).toBeGreaterThan(6);
  expect(JSON.stringify(everything)).not.toContain("tok_visa");
});

test("a parked order needs attention, and resumes in the direction it was going", async () => {
  const { id, sagaId } = await placed(1);
  await store.reflectMoves(
    [move(sagaId, "COMPENSATING", { failure: { reason: "OUT_OF_STOCK", message: "" } })],
    PLACE_ORDER,
  );
  expect(await status(id)).toBe("CANCELLING");
  await store.reflectMoves(
    [move(sagaId, "NEEDS_ATTENTION", { from: "COMPENSATING", resumeState: "COMPENSATING" })],
    PLACE_ORDER,
  );
  expect(await status(id)).toBe("NEEDS_ATTENTION");
  const resume = move(sagaId, "COMPENSATING", { from: "NEEDS_ATTENTION", bumpFence: true });
  expect(
    await store.intervene(request(sagaId, crypto.randomUUID(), "RetrySaga"), resume, PLACE_ORDER),
  ).toBe(true);
  expect(await status(id)).toBe("CANCELLING");
  // The operator's move fenced out the worker that held the saga.
  expect(await store.closeOrders([move(sagaId, "COMPENSATED", { from: "COMPENSATING" })])).toEqual([
    { sagaId, moved: false },
  ]);
});

test("of a concurrent confirmation and compensation one wins, and the order agrees with its saga", async () => {
  for (let round = 0; round < 10; round++) {
    const { id, sagaId, move: confirm } = await placed(1);
    const back = move(sagaId, "COMPENSATING", {
      bumpFence: true,
      failure: { reason: "CANCELLED_BY_CUSTOMER", message: "" },
    });
    const [[confirmed], turned] = await Promise.all([
      store.confirmOrders([confirm]),
      store.intervene(request(id, crypto.randomUUID(), "CancelOrder"), back, PLACE_ORDER),
    ]);
    expect([confirmed?.moved, turned].filter(Boolean)).toHaveLength(1);
    expect(await status(id)).toBe(turned ? "CANCELLING" : "CONFIRMED");
  }
});

test("of concurrent cancellations of a confirmed order one begins; the stock is returned once", async () => {
  const { id, move: confirm } = await placed(4, 2);
  await store.confirmOrders([confirm]);
  const definition = cancelOrderSaga({ orders: store, payments: {} as never, times });
  const sagas = Array.from({ length: 10 }, () =>
    engine.prepare(definition, id, { paymentId: id, reason: "r" }),
  );
  const failure = { reason: "CANCELLED_BY_CUSTOMER", message: "" };
  const begun = await Promise.all(
    sagas.map((saga) =>
      store.cancelConfirmed(request(id, crypto.randomUUID(), "CancelOrder"), id, failure, saga),
    ),
  );
  expect(begun.filter(Boolean)).toHaveLength(1);
  const winner = sagas[begun.indexOf(true)]?.id ?? "";
  const finish = move(winner, "COMPLETED", { step: "restock" });
  const results = (
    await Promise.all([store.restockOrders([finish]), store.restockOrders([finish])])
  ).flat();
  expect(results.filter((result) => result.moved)).toHaveLength(1);
  expect([await stock("TEA"), await stock("POT"), await status(id)]).toEqual([
    10n,
    10n,
    "CANCELLED",
  ]);
  expect(await sql`select from sagas where kind = ${CANCEL_ORDER}`).toHaveLength(1);
});

test("orders are listed newest first, by page, customer and status", async () => {
  const orders = [];
  for (let n = 0; n < 5; n++) orders.push(await placed(1));
  const [one, , another] = orders;
  for (const order of [one, another]) if (order) await store.confirmOrders([order.move]);
  const ids = orders.map(({ id }) => id);
  const all = { customerId: undefined, status: undefined };
  for (const filter of [all, { ...all, customerId }]) {
    const first = await store.listOrders(filter, undefined, 3);
    const rest = await store.listOrders(filter, first.at(-1)?.id, 3);
    expect([...first, ...rest].map((order) => order.id)).toEqual(ids.toReversed());
  }
  const confirmed = await store.listOrders({ customerId, status: "CONFIRMED" }, undefined, 3);
  expect(confirmed.map(({ id }) => id)).toEqual([another?.id, one?.id]);
  for (const filter of [all, { ...all, customerId }]) {
    const pending = await store.listOrders({ ...filter, status: "PENDING" }, undefined, 3);
    expect(pending.map(({ id }) => id)).toEqual([ids[4], ids[3], ids[1]]);
    const rest = await store.listOrders({ ...filter, status: "PENDING" }, ids[3], 3);
    expect(rest.map(({ id }) => id)).toEqual([ids[1]]);
    const older = await store.listOrders({ ...filter, status: "CONFIRMED" }, another?.id, 3);
    expect(older.map(({ id }) => id)).toEqual([one?.id]);
  }
  expect(await store.listOrders({ ...all, customerId: uuidv7() }, undefined, 3)).toEqual([]);
  expect(await store.listOrders({ ...all, status: "CANCELLED" }, undefined, 3)).toEqual([]);
});

test("requests are deleted once their retention is over, oldest first, at most `limit` at once", async () => {
  const insert = (count: number, ageMs: number) => sql`
    insert into requests (caller, request_id, method, fingerprint, resource_id, create_time)
    select ${customerId}, gen_random_uuid(), 'CreateOrder', 'f', ${String(ageMs)}, now() - ${ageMs} * interval '1 millisecond'
    from generate_series(1, ${count}::int)`;
  await insert(1, 2 * REQUEST_RETENTION_MS);
  await insert(2, REQUEST_RETENTION_MS);
  await insert(1, REQUEST_RETENTION_MS - 60_000);
  const left = async () =>
    (await sql`select resource_id from requests order by create_time`).map(
      (row) => row["resourceId"],
    );
  expect(await store.sweepRequests(1)).toBe(1);
  expect(await left()).not.toContain(String(2 * REQUEST_RETENTION_MS));
  expect(await store.sweepRequests(10)).toBe(2);
  expect(await store.sweepRequests(10)).toBe(0);
  expect(await left()).toEqual([String(REQUEST_RETENTION_MS - 60_000)]);
});

test("no statement above makes a transition that the transition table does not have", async () => {
  const moves = await sql<
    { before: OrderStatus; after: OrderStatus }[]
  >`select distinct before, after from transitions`;
  expect(moves.length).toBeGreaterThan(5);
  for (const { before, after } of moves) expect(TRANSITIONS[before]).toContain(after);
});
