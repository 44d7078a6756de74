import { connectPostgres, type Sql } from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { afterAll, describe, expect, test } from "vitest";
import { openPaymentStore } from "./connect-store.ts";
import type { PaymentStatus } from "./payment.ts";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import { atomicityContract, functionalContract, ownershipContract } from "./store.contract.ts";

const EUR1 = { currencyCode: "EUR", minorUnits: 1n };

/** How many payments this session, and others that have told, have read. */
async function rowsRead(sql: Sql): Promise<number> {
  await sql`select pg_stat_force_next_flush()`;
  const [row] = await sql<{ read: bigint }[]>`
    select (seq_tup_read + idx_tup_fetch)::bigint as read from pg_stat_user_tables where relname = 'payments'`;
  return Number(row?.read);
}

describe("the PostgreSQL store", async () => {
  const database = await testDatabase(MIGRATIONS);
  afterAll(() => database[Symbol.asyncDispose]());
  const open = async () => postgresStore(connectPostgres(database.url));
  functionalContract(open);
  atomicityContract(open);
  ownershipContract((systemId) =>
    openPaymentStore(database.url, systemId === undefined ? {} : { systemId }),
  );

  test("charges at once share statements; one that the database refuses fails alone", async () => {
    await using store = await open();
    const sql = connectPostgres(database.url, { max: 1 });
    await using _end = { [Symbol.asyncDispose]: async () => sql.end() };
    const orderId = crypto.randomUUID();
    const charge = (minorUnits: bigint) => ({
      id: crypto.randomUUID(),
      charge: {
        orderId,
        customerId: crypto.randomUUID(),
        amount: { currencyCode: "EUR", minorUnits },
        fingerprint: "f",
      },
    });
    const good = Array.from({ length: 20 }, () => charge(1n));
    // It violates `positive_amount`.
    const all = [...good.slice(0, 10), charge(0n), ...good.slice(10)];
    const opened = await Promise.allSettled(all.map(({ id, charge }) => store.open(id, charge)));
    expect(opened.filter(({ status }) => status === "rejected")).toHaveLength(1);
    const again = await Promise.all(good.map(({ id, charge }) => store.open(id, charge)));
    expect(again.filter(({ changed }) => changed)).toHaveLength(0);
    const approved = { outcome: "approved", reference: "r", amount: EUR1 } as const;
    const settled = await Promise.all(good.map(({ id }) => store.settle(id, approved)));
    expect(settled.map(({ payment, changed }) => [payment.id, payment.status, changed])).toEqual(
      good.map(({ id }) => [id, "SUCCEEDED", true]),
    );
    // The first alone, and the others together.
    expect(await sql`select distinct xmin from payments where order_id = ${orderId}`).toHaveLength(
      2,
    );
    const repeated = await store.settle(good[0]?.id ?? "", approved);
    expect([repeated.changed, repeated.payment.status]).toEqual([false, "SUCCEEDED"]);
  });

  test("settling reads the payment alone, with a plan of when there were few", async () => {
    await using empty = await testDatabase(MIGRATIONS);
    const sql = connectPostgres(empty.url, { max: 1 });
    await using store = postgresStore(sql);
    const insert = async (count: number) =>
      await sql<{ id: string }[]>`
        insert into payments (id, status, order_id, customer_id, currency_code, minor_units, fingerprint, open_work)
        select gen_random_uuid(), 'PENDING', gen_random_uuid(), gen_random_uuid(), 'EUR', 1, 'f', 1
        from generate_series(1, ${count}::int) returning id`;
    const approved = { outcome: "approved", reference: "r", amount: EUR1 } as const;
    // Often enough for the plan that is kept.
    for (const { id } of await insert(10)) await store.settle(id, approved);
    const [last] = await insert(1_000);
    const before = await rowsRead(sql);
    expect((await store.settle(last?.id ?? "", approved)).changed).toBe(true);
    expect((await rowsRead(sql)) - before).toBeLessThan(10);
  });

  test("payments of a rare status are listed without reading the others", async () => {
    await using rare = await testDatabase(MIGRATIONS);
    const sql = connectPostgres(rare.url, { max: 1 });
    await using store = postgresStore(sql);
    const list = async (status: PaymentStatus) =>
      await store.list({ orderId: undefined, customerId: undefined, status }, undefined, 21);
    // Often enough for the plan that is kept.
    for (let call = 0; call < 10; call++) await list("PENDING");
    await sql`
      insert into payments (id, status, order_id, customer_id, currency_code, minor_units, fingerprint, open_work)
      select gen_random_uuid(), case when n <= 3 then 'PENDING' else 'SUCCEEDED' end, gen_random_uuid(), gen_random_uuid(), 'EUR', 1, 'f', 0
      from generate_series(1, 1000) n`;
    const before = await rowsRead(sql);
    expect(await list("PENDING")).toHaveLength(3);
    expect(await list("SUCCEEDED")).toHaveLength(21);
    expect((await rowsRead(sql)) - before).toBeLessThan(3 + 21 + 10);
  });

  test("a rare status of a large table is not looked for among the newest payments", async () => {
    await using large = await testDatabase(MIGRATIONS);
    const sql = connectPostgres(large.url, { max: 1 });
    await using store = postgresStore(sql);
    await sql`
      insert into payments (id, status, order_id, customer_id, currency_code, minor_units, fingerprint, open_work, create_time)
      select gen_random_uuid(), case when n % 200 = 0 then 'PENDING' else 'SUCCEEDED' end, gen_random_uuid(), gen_random_uuid(), 'EUR', 1, 'f', 0,
        now() + n * interval '1 second'
      from generate_series(1, 20000) n`;
    await sql`vacuum (analyze) payments`;
    const filter = { orderId: undefined, customerId: undefined, status: "PENDING" } as const;
    // Often enough for the plan that is kept.
    for (let call = 0; call < 10; call++) await store.list(filter, undefined, 21);
    const before = await rowsRead(sql);
    expect(await store.list(filter, undefined, 21)).toHaveLength(21);
    expect((await rowsRead(sql)) - before).toBeLessThan(21 + 10);
  });

  test("events that an earlier version stored come with those of this one, in their order", async () => {
    await using store = await open();
    const sql = connectPostgres(database.url, { max: 1 });
    await using _end = { [Symbol.asyncDispose]: async () => sql.end() };
    const id = crypto.randomUUID();
    const earlier = (type: string, detail: string, secondsAgo: number) =>
      sql`jsonb_build_object('time', now() - ${secondsAgo} * interval '1 second', 'type', ${type}::text, 'detail', ${detail}::text)`;
    await sql`
      insert into payments (id, status, order_id, customer_id, currency_code, minor_units, fingerprint, open_work, provider_reference, events)
      values (${id}, 'SUCCEEDED', ${id}, ${id}, 'EUR', 100, 'f', 0, 'ref',
        jsonb_build_array(${earlier("CHARGE_REQUESTED", "", 3)}, ${earlier("CHARGE_SUCCEEDED", "ref", 2)}))`;
    const refund = { id: "r", amount: EUR1, reason: 'a "quoted" reason', fingerprint: "f" };
    await store.reserveRefund(id, { ...refund, id: 'r"1' });
    const { payment } = await store.settleRefund(id, 'r"1');
    const later = ["REFUND_REQUESTED", "REFUND_SUCCEEDED"].map((type) => [type, 'r"1']);
    expect(payment.events.map(({ type, detail }) => [type, detail])).toEqual([
      ["CHARGE_REQUESTED", ""],
      ["CHARGE_SUCCEEDED", "ref"],
      ...later,
    ]);
    // As of a replica that still writes them.
    await sql`
      update payments set events = events || jsonb_build_array(${earlier("REFUND_REQUESTED", "old", -1)}) where id = ${id}`;
    expect((await store.get(id))?.events.at(-1)?.detail).toBe("old");
  });

  test("the schema refuses rows that no statement writes", async () => {
    const sql = connectPostgres(database.url, { max: 1 });
    await using _end = { [Symbol.asyncDispose]: async () => sql.end() };
    const id = crypto.randomUUID();
    await sql`
      insert into payments (id, status, order_id, customer_id, currency_code, minor_units, fingerprint, open_work)
      values (${id}, 'SUCCEEDED', ${id}, ${id}, 'EUR', 100, 'f', 0)`;
    await expect(
      sql`update payments set reserved_minor_units = 101 where id = ${id}`,
    ).rejects.toThrow("refunds_within_capture");
    await expect(sql`update payments set status = 'REFUNDED' where id = ${id}`).rejects.toThrow(
      "all_back_when_refunded",
    );
    await expect(sql`update payments set order_id = null where id = ${id}`).rejects.toThrow(
      "whole_charge",
    );
  });
});
