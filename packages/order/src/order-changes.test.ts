import { connectPostgres, createLogger, type Sql } from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { OrderStatus } from "./order.ts";
import { createOrderChanges, type OrderChanges } from "./order-changes.ts";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import type { OrderStore } from "./store.ts";
import { watchOrder } from "./watch-order.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
let sql: Sql;
let store: OrderStore;
let changes: OrderChanges;

beforeAll(async () => {
  database = await testDatabase(MIGRATIONS);
  sql = connectPostgres(database.url);
  store = postgresStore(sql);
});
beforeEach(() => {
  changes = createOrderChanges(store, createLogger({ name: "test", level: "silent" }));
});
afterEach(() => changes[Symbol.asyncDispose]());
afterAll(async () => {
  await sql.end();
  await database[Symbol.asyncDispose]();
});

async function placed(): Promise<string> {
  const id = uuidv7();
  await sql`
    insert into orders (id, customer_id, status, items, currency_code, minor_units, payment_id)
    values (${id}, ${uuidv7()}, 'PENDING', '[]', 'EUR', 1, ${uuidv7()})`;
  return id;
}

/** A change by another process. */
const change = (id: string, status: OrderStatus) =>
  sql`update orders set status = ${status}, update_time = now() where id = ${id}`;
const versionOf = async (id: string): Promise<string> => (await store.findOrder(id))?.version ?? "";
const signal = () => AbortSignal.timeout(5_000);

/** Makes another call wait, right after a poll: the next poll is some time away. */
async function anotherWaits(): Promise<Disposable> {
  const other = await placed();
  const subscription = changes.subscribe(other);
  const changed = subscription.changed(await versionOf(other), signal());
  await change(other, "CANCELLING");
  await changed;
  return subscription;
}

test("a change by another process between the read of an order and the first poll is not missed", async () => {
  using _other = await anotherWaits();
  const id = await placed();
  using subscription = changes.subscribe(id);
  const version = await versionOf(id);
  await change(id, "CONFIRMED");
  const timely = signal();
  await subscription.changed(version, timely);
  expect(timely.aborted).toBe(false);
});

test("a call that has the latest version waits for the next change", async () => {
  const id = await placed();
  using subscription = changes.subscribe(id);
  const changed = subscription.changed(await versionOf(id), signal()).then(() => "changed");
  using _other = await anotherWaits();
  const polled = anotherWaits().then(() => "polled, and not changed");
  expect(await Promise.race([changed, polled])).toBe("polled, and not changed");
  await change(id, "CONFIRMED");
  expect(await changed).toBe("changed");
});

test("a change in this process is reported at once", async () => {
  const id = await placed();
  const watched = watchOrder({ store, changes }, id, undefined, signal());
  expect((await watched.next()).value).toMatchObject({ status: "PENDING" });
  const next = watched.next();
  await change(id, "CONFIRMED");
  changes.publish(id);
  expect((await next).value).toMatchObject({ status: "CONFIRMED" });
  expect((await watched.next()).done).toBe(true);
});
