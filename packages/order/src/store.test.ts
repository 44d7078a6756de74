import {
  createMove,
  createSagaEngine,
  type Move,
  postgresSagaStore,
  type SagaEngine,
} from "@tercet/saga";
import { connectPostgres, type RequestRecord, type Sql } from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { MIGRATIONS } from "./migrations.ts";
import { CANCEL_ORDER, type OrderStatus, PLACE_ORDER, TRANSITIONS } from "./order.ts";
import { createOrderStore } from "./order-store.ts";
import { cancelOrderSaga, placeOrderSaga } from "./sagas.ts";
import {
  cancelConfirmed,
  closeOrders,
  confirmOrders,
  findOrder,
  insertOrder,
  intervene,
  listOrders,
  reflectMoves,
  restockOrders,
} from "./store.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
let sql: Sql;
let engine: SagaEngine;
const customerId = uuidv7();
const times = { deadlineMs: 60_000, compensationBudgetMs: 60_000 };

beforeAll(async () => {
  database = await testDatabase(MIGRATIONS);
  sql = connectPostgres(database.url, { max: 20 });
  engine = createSagaEngine({ store: postgresSagaStore(sql), definitions: [] });
  // Every move that any statement here makes is noted, and held against the transition table at the
  // end.
  await sql.unsafe(`
    create table status_moves (before text, after text);
    create function note() returns trigger language plpgsql as $$ begin
      if old.status <> new.status then insert into status_moves values (old.status, new.status); end if; return new; end $$;
    create trigger note after update on orders for each row execute function note()`);
});
beforeEach(async () => {
  await sql`insert into products (sku, name, description, currency, price, stock) values ('TEA', 'Tea', '', 'EUR', 500, 10), ('POT', 'Pot', '', 'EUR', 900, 10)`;
});
afterEach(() => sql`truncate products, orders, sagas, requests`);
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

/** Puts an order of so much tea, and answers the move that its saga would make next. */
async function placed(tea: number, pots = 0): Promise<{ id: string; sagaId: string; move: Move }> {
  const id = uuidv7();
  const items = [
    { sku: "TEA", name: "Tea", quantity: tea, unitPrice: "500" },
    ...(pots > 0 ? [{ sku: "POT", name: "Pot", quantity: pots, unitPrice: "900" }] : []),
  ];
  // The order of the items must not matter for who waits for whom.
  if (Math.random() < 0.5) items.reverse();
  const definition = placeOrderSaga({
    orders: createOrderStore(sql),
    payments: {} as never,
    times,
  });
  const saga = engine.prepare(definition, id, {
    customerId,
    paymentId: uuidv7(),
    currency: "EUR",
    total: "500",
    token: "tok_visa",
  });
  await insertOrder(
    sql,
    request(id),
    { id, customerId, items, currency: "EUR", total: BigInt(tea) * 500n, paymentId: uuidv7() },
    saga,
  );
  return { id, sagaId: saga.id, move: move(saga.id, "COMPLETED") };
}

const move = (id: string, state: Move["state"], over: Partial<Move> = {}): Move =>
  createMove({ id, fence: 1n, state: "RUNNING", step: "allocate" }, { state, ...over });

const stock = async (sku: string) =>
  (await sql<{ stock: bigint }[]>`select stock from products where sku = ${sku}`)[0]?.stock;
const status = async (id: string) => (await findOrder(sql, id, undefined))?.status;

test("an order, its saga and its request are there together, once", async () => {
  const id = uuidv7();
  const same = request(id);
  const definition = placeOrderSaga({
    orders: createOrderStore(sql),
    payments: {} as never,
    times,
  });
  const saga = () =>
    engine.prepare(definition, id, {
      customerId,
      paymentId: id,
      currency: "EUR",
      total: "1",
      token: "tok_visa",
    });
  const order = { id, customerId, items: [], currency: "EUR", total: 1n, paymentId: id };
  const results = await Promise.all(
    Array.from({ length: 20 }, () => insertOrder(sql, same, order, saga())),
  );
  expect(results.filter(Boolean)).toHaveLength(1);
  expect(await sql`select from orders`).toHaveLength(1);
  expect(await sql`select from sagas`).toHaveLength(1);
});

test("confirming takes the stock; what is short is refused and changes nothing", async () => {
  const enough = await placed(4, 2);
  const short = await placed(7, 1);
  expect(await confirmOrders(sql, [enough.move])).toEqual([{ sagaId: enough.sagaId, moved: true }]);
  expect(await confirmOrders(sql, [short.move])).toEqual([
    {
      sagaId: short.sagaId,
      moved: false,
      refused: { reason: "OUT_OF_STOCK", message: expect.stringContaining("TEA") },
    },
  ]);
  expect([await stock("TEA"), await stock("POT")]).toEqual([6n, 8n]);
  expect([await status(enough.id), await status(short.id)]).toEqual(["CONFIRMED", "PENDING"]);
});

test("orders confirmed by one statement take from the stock in turn", async () => {
  const orders = await Promise.all([placed(4), placed(4), placed(4)]);
  const results = await confirmOrders(
    sql,
    orders.map((order) => order.move),
  );
  expect(results.filter((result) => result.moved)).toHaveLength(2);
  expect(results.filter((result) => result.refused?.reason === "OUT_OF_STOCK")).toHaveLength(1);
  expect(await stock("TEA")).toBe(2n);
});

test("fifty at once for ten pieces: ten are confirmed, none is sold twice, nobody is locked out", async () => {
  const orders = await Promise.all(Array.from({ length: 50 }, () => placed(1, 1)));
  const results = (
    await Promise.all(orders.map((order) => confirmOrders(sql, [order.move])))
  ).flat();
  expect(results.filter((result) => result.moved)).toHaveLength(10);
  expect(results.filter((result) => result.refused !== undefined)).toHaveLength(40);
  expect([await stock("TEA"), await stock("POT")]).toEqual([0n, 0n]);
});

test("a write under an old fence, or from another state, changes nothing", async () => {
  const { id, sagaId } = await placed(1);
  expect(await confirmOrders(sql, [move(sagaId, "COMPLETED", { fence: 0n })])).toEqual([
    { sagaId, moved: false },
  ]);
  expect(await confirmOrders(sql, [move(sagaId, "COMPLETED", { from: "COMPENSATING" })])).toEqual([
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
  await closeOrders(sql, [move(sagaId, "COMPENSATED", { failure: { reason, message: "m" } })]);
  expect(await findOrder(sql, id, undefined)).toMatchObject({
    status: expected,
    failure: { reason },
  });
});

test("a parked order needs attention, and goes on where it was", async () => {
  const { id, sagaId } = await placed(1);
  await reflectMoves(
    sql,
    [move(sagaId, "COMPENSATING", { failure: { reason: "OUT_OF_STOCK", message: "" } })],
    PLACE_ORDER,
  );
  expect(await status(id)).toBe("CANCELLING");
  await reflectMoves(
    sql,
    [move(sagaId, "NEEDS_ATTENTION", { from: "COMPENSATING", resumeState: "COMPENSATING" })],
    PLACE_ORDER,
  );
  expect(await status(id)).toBe("NEEDS_ATTENTION");
  const resume = move(sagaId, "COMPENSATING", { from: "NEEDS_ATTENTION", bumpFence: true });
  expect(
    await intervene(sql, request(sagaId, crypto.randomUUID(), "RetrySaga"), resume, PLACE_ORDER),
  ).toBe(true);
  expect(await status(id)).toBe("CANCELLING");
  // The operator's move shut out the holder of the old fence.
  expect(await closeOrders(sql, [move(sagaId, "COMPENSATED", { from: "COMPENSATING" })])).toEqual([
    { sagaId, moved: false },
  ]);
});

test("of confirming and turning back at the same time one wins, and the order agrees with its saga", async () => {
  for (let round = 0; round < 10; round++) {
    const { id, sagaId, move: confirm } = await placed(1);
    const back = move(sagaId, "COMPENSATING", {
      bumpFence: true,
      failure: { reason: "CANCELLED_BY_CUSTOMER", message: "" },
    });
    const [[confirmed], turned] = await Promise.all([
      confirmOrders(sql, [confirm]),
      intervene(sql, request(id, crypto.randomUUID(), "CancelOrder"), back, PLACE_ORDER),
    ]);
    expect([confirmed?.moved, turned].filter(Boolean)).toHaveLength(1);
    expect(await status(id)).toBe(turned ? "CANCELLING" : "CONFIRMED");
  }
});

test("of many cancellations of a confirmed order one begins; the stock comes back once", async () => {
  const { id, move: confirm } = await placed(4, 2);
  await confirmOrders(sql, [confirm]);
  const definition = cancelOrderSaga({
    orders: createOrderStore(sql),
    payments: {} as never,
    times,
  });
  const sagas = Array.from({ length: 10 }, () =>
    engine.prepare(definition, id, { paymentId: id, reason: "r" }),
  );
  const failure = { reason: "CANCELLED_BY_CUSTOMER", message: "" };
  const begun = await Promise.all(
    sagas.map((saga) =>
      cancelConfirmed(sql, request(id, crypto.randomUUID(), "CancelOrder"), id, failure, saga),
    ),
  );
  expect(begun.filter(Boolean)).toHaveLength(1);
  const winner = sagas[begun.indexOf(true)]?.id ?? "";
  const finish = move(winner, "COMPLETED", { step: "restock" });
  const results = (
    await Promise.all([restockOrders(sql, [finish]), restockOrders(sql, [finish])])
  ).flat();
  expect(results.filter((result) => result.moved)).toHaveLength(1);
  expect([await stock("TEA"), await stock("POT"), await status(id)]).toEqual([
    10n,
    10n,
    "CANCELLED",
  ]);
  expect(await sql`select from sagas where kind = ${CANCEL_ORDER}`).toHaveLength(1);
});

test("a list is newest first, page by page, and one customer's only", async () => {
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.push((await placed(1)).id);
  const all = { customerId: undefined, status: undefined };
  const first = await listOrders(sql, all, undefined, 3);
  const rest = await listOrders(sql, all, first.at(-1)?.id, 3);
  expect([...first, ...rest].map((order) => order.id)).toEqual(ids.toReversed());
  expect(await listOrders(sql, { ...all, customerId: uuidv7() }, undefined, 3)).toEqual([]);
  expect(await listOrders(sql, { ...all, status: "CONFIRMED" }, undefined, 3)).toEqual([]);
});

test("no statement above has made a move that the transition table does not have", async () => {
  const moves = await sql<
    { before: OrderStatus; after: OrderStatus }[]
  >`select distinct before, after from status_moves`;
  expect(moves.length).toBeGreaterThan(5);
  for (const { before, after } of moves) expect(TRANSITIONS[before]).toContain(after);
});
