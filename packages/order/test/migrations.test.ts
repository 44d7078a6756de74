import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { connectPostgres, migratePostgres } from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ORDER_STATUSES } from "../src/order.ts";
import { postgresStore } from "../src/postgres-store.ts";

const MIGRATIONS = new URL("../migrations/", import.meta.url);
const JOURNAL = "meta/_journal.json";

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "tercet migrations "));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** The migrations before this one. */
async function migrationsBefore(tag: string): Promise<URL> {
  const folder = join(scratch, tag);
  await cp(MIGRATIONS, folder, { recursive: true });
  const journal = JSON.parse(await readFile(join(folder, JOURNAL), "utf8"));
  const index = journal.entries.findIndex((entry: { tag: string }) => entry.tag === tag);
  const entries = journal.entries.slice(0, index);
  await writeFile(join(folder, JOURNAL), JSON.stringify({ ...journal, entries }));
  return pathToFileURL(`${folder}/`);
}

test("the payment tokens of sagas that had ended before are deleted, those of open ones stay", async () => {
  await using database = await testDatabase();
  await migratePostgres(database.url, await migrationsBefore("0006_saga_fairness_key"));
  const sql = database.connect();
  for (const state of ["COMPLETED", "COMPENSATED", "RESOLVED", "RUNNING", "COMPENSATING"])
    await sql`
      insert into sagas (id, kind, version, subject, state, step, input, fence, deadline_at)
      values (
        gen_random_uuid(), 'place-order', 1, gen_random_uuid(), ${state}, 'charge',
        ${sql.json({ token: "tok_visa" })}, 1, now())`;
  await migratePostgres(database.url, MIGRATIONS);
  const rows = await sql`select state from sagas where input->>'token' = 'tok_visa' order by state`;
  expect(rows.map(({ state }) => state)).toEqual(["COMPENSATING", "RUNNING"]);
  await sql.end();
});

test("orders keep their status and times when the columns move, and are listed by status", async () => {
  await using database = await testDatabase();
  await migratePostgres(database.url, await migrationsBefore("0010_confirmation_in_place"));
  const sql = connectPostgres(database.url, { max: 1 });
  await using _end = { [Symbol.asyncDispose]: () => sql.end() };
  await sql`
    insert into orders (id, customer_id, status, items, currency_code, minor_units, payment_id, create_time, update_time)
    select gen_random_uuid(), gen_random_uuid(), status, '[]', 'EUR', 1, gen_random_uuid(), '2026-01-01', '2026-01-02'
    from jsonb_array_elements_text(${sql.json(ORDER_STATUSES)}) as status`;
  await migratePostgres(database.url, MIGRATIONS);
  const store = postgresStore(sql);
  for (const status of ORDER_STATUSES.filter((each) => each !== "PENDING"))
    expect(await store.listOrders({ customerId: undefined, status }, undefined, 10)).toMatchObject([
      { status, createTime: new Date("2026-01-01"), updateTime: new Date("2026-01-02") },
    ]);
  await expect(sql`update orders set status = null`).rejects.toThrow("not-null constraint");
  const [changed] = await sql`
    insert into orders (id, customer_id, status, items, currency_code, minor_units, payment_id)
    values (gen_random_uuid(), gen_random_uuid(), 'PENDING', '[]', 'EUR', 1, gen_random_uuid())
    returning update_time = now() as now`;
  expect(changed).toEqual({ now: true });
});
