import { connectPostgres, createLogger, type Sql } from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { follow } from "./follow.ts";
import { MIGRATIONS } from "./migrations.ts";
import type { OrderStatus } from "./order.ts";
import { findOrder } from "./store.ts";
import { createOrderWatch } from "./watch.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
let sql: Sql;
let watch: ReturnType<typeof createOrderWatch>;

beforeAll(async () => {
  database = await testDatabase(MIGRATIONS);
  sql = connectPostgres(database.url);
});
beforeEach(() => {
  watch = createOrderWatch(sql, createLogger({ name: "test", level: "silent" }));
});
afterEach(() => watch[Symbol.asyncDispose]());
afterAll(async () => {
  await sql.end();
  await database[Symbol.asyncDispose]();
});

async function placed(): Promise<string> {
  const id = uuidv7();
  await sql`
    insert into orders (id, customer_id, status, items, currency, total, payment_id)
    values (${id}, ${uuidv7()}, 'PENDING', '[]', 'EUR', 1, ${uuidv7()})`;
  return id;
}

/** As another process does it. */
const change = (id: string, status: OrderStatus) =>
  sql`update orders set status = ${status}, update_time = now() where id = ${id}`;
const markOf = async (id: string): Promise<string> =>
  (await findOrder(sql, id, undefined))?.mark ?? "";
const signal = () => AbortSignal.timeout(5_000);

/** Looks are being made already, for somebody else: the next one is some time away. */
async function othersWait(): Promise<Disposable> {
  const other = await placed();
  const watching = watch.subscribe(other);
  const heard = watching.changed(await markOf(other), signal());
  await change(other, "CANCELLING");
  await heard;
  return watching;
}

test("a change by another process between reading an order and the first look at it is not missed", async () => {
  using _others = await othersWait();
  const id = await placed();
  using watching = watch.subscribe(id);
  const mark = await markOf(id);
  await change(id, "CONFIRMED");
  const timely = signal();
  await watching.changed(mark, timely);
  expect(timely.aborted).toBe(false);
});

test("whoever knows the latest waits for the next change", async () => {
  const id = await placed();
  using watching = watch.subscribe(id);
  const mark = await markOf(id);
  const heard = watching.changed(mark, signal()).then(() => "changed");
  using _others = await othersWait();
  expect(await Promise.race([heard, othersWait().then(() => "looked at, and not changed")])).toBe(
    "looked at, and not changed",
  );
  await change(id, "CONFIRMED");
  expect(await heard).toBe("changed");
});

test("a change in this process is told at once", async () => {
  const id = await placed();
  const told = follow(sql, watch, id, undefined, signal());
  expect((await told.next()).value).toMatchObject({ status: "PENDING" });
  const next = told.next();
  await change(id, "CONFIRMED");
  watch.notify(id);
  expect((await next).value).toMatchObject({ status: "CONFIRMED" });
  expect((await told.next()).done).toBe(true);
});
