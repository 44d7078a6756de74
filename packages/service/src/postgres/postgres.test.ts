import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../testing.ts";
import {
  connectPostgres,
  type Fragment,
  firstOf,
  isDatabaseUnavailable,
  pingPostgres,
  type Sql,
  violates,
} from "./postgres.ts";

describe("a pool", () => {
  let database: TestDatabase;
  let sql: Sql;
  beforeAll(async () => {
    database = await testDatabase();
    sql = connectPostgres(database.url, { max: 4, applicationName: "shop-test" });
    await sql`create table things (id int8 primary key, given_name text unique, check (id > 0))`;
  });
  afterAll(async () => {
    await sql.end({ timeout: 1 });
    await database[Symbol.asyncDispose]();
  });
  const failure = (query: PromiseLike<unknown>) =>
    Promise.resolve(query).then(
      () => undefined,
      (error: unknown) => error,
    );

  test("maps int8 to bigint and snake_case to camelCase, both ways", async () => {
    const big = 9_007_199_254_740_993n;
    await sql`insert into things ${sql({ id: big, givenName: "big" })}`;
    expect(await sql`select id, given_name from things where id = ${big}`).toEqual([
      { id: big, givenName: "big" },
    ]);
  });

  test("bounds every wait", async () => {
    const settings = await sql<{ name: string; setting: string }[]>`
      select name, setting from pg_settings where name in ('statement_timeout', 'lock_timeout', 'application_name') order by name`;
    expect(settings.map(({ setting }) => setting)).toEqual(["shop-test", "3000", "5000"]);
  });

  test("a table without statistics is read by its key", async () => {
    await sql`create table strangers (id int primary key, name text)`;
    await sql`insert into strangers select n, repeat('x', 100) from generate_series(1, 2000) n`;
    const session = connectPostgres(database.url, { max: 1 });
    const ids = Array.from({ length: 5 }, (_, n) => ({ id: n + 1 }));
    // Often enough for the plan that is kept.
    for (let n = 0; n < 8; n++)
      expect(
        await session`select name from jsonb_to_recordset(${session.json(ids)}) as given(id int) join strangers using (id)`,
      ).toHaveLength(5);
    await session`select pg_stat_force_next_flush()`;
    expect(
      await session`select seq_scan from pg_stat_user_tables where relname = 'strangers'`,
    ).toEqual([{ seqScan: 0n }]);
    await session.end();
  });

  test("a page of a large table is planned once, and not for each call", async () => {
    await sql`create table crowds (owner int, id int, primary key (owner, id))`;
    await sql`insert into crowds select n % 3, n from generate_series(1, 20000) n`;
    await sql`vacuum (analyze) crowds`;
    const session = connectPostgres(database.url, { max: 1 });
    const newest = (owner: number): Fragment =>
      session`select id from crowds where owner = ${owner} order by id desc`;
    for (let call = 0; call < 8; call++) {
      expect(await firstOf(session, newest(1), 2)).toEqual([{ id: 19_999 }, { id: 19_996 }]);
      await session`${newest(1)} limit ${2}`;
    }
    const plans = await session`
      select generic_plans from pg_prepared_statements
      where statement like '%select id from crowds%' and generic_plans + custom_plans > 1 order by statement like '%as page%' desc`;
    expect(plans).toEqual([{ genericPlans: 3n }, { genericPlans: 0n }]);
    expect(await firstOf(session, newest(1), 1_000)).toHaveLength(1_000);
    await session.end();
  });

  test("reports the violated constraint", async () => {
    const twice = await failure(
      sql`insert into things (id, given_name) values (70, 'dup'), (71, 'dup')`,
    );
    expect(violates(twice, "things_given_name_key")).toBe(true);
    expect(violates(twice, "things_pkey")).toBe(false);
    const negative = await failure(sql`insert into things (id) values (-1)`);
    expect(violates(negative, "things_id_check")).toBe(true);
    expect(violates(negative, "other")).toBe(false);
    for (const error of [twice, negative]) expect(isDatabaseUnavailable(error)).toBe(false);
  });

  test("a connection that the server ends is unavailable, and the pool recovers", async () => {
    const sleeping = failure(sql`select pg_sleep(30) as nap`);
    const victims = async () =>
      (
        await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'shop-test' and query like '%as nap%' and pid <> pg_backend_pid()`
      ).length;
    while ((await victims()) === 0);
    expect(isDatabaseUnavailable(await sleeping)).toBe(true);
    await pingPostgres(sql);
  });

  test("a statement timeout, a lock timeout and a standby are unavailable", async () => {
    const one = connectPostgres(database.url, { max: 1 });
    await one`select set_config('statement_timeout', '50', false)`;
    expect(isDatabaseUnavailable(await failure(one`select pg_sleep(5)`))).toBe(true);
    await one`select set_config('default_transaction_read_only', 'on', false)`;
    expect(isDatabaseUnavailable(await failure(one`insert into things (id) values (99)`))).toBe(
      true,
    );
    await one.end();
  });

  test("a pool that was closed is unavailable", async () => {
    const closed = connectPostgres(database.url);
    await closed.end();
    expect(isDatabaseUnavailable(await failure(closed`select 1`))).toBe(true);
  });

  test("errors in our own statements are not unavailable", async () => {
    for (const error of [
      await failure(sql`select nothing from nowhere`),
      new TypeError("x"),
      undefined,
      null,
      "ECONNREFUSED",
      { code: "ECONNREFUSED" },
    ]) {
      expect(isDatabaseUnavailable(error)).toBe(false);
    }
  });
});

test.each(["127.0.0.1:1", "nowhere.invalid:5432"])(
  "an absent server at %s is unavailable within its timeout",
  async (address) => {
    const sql = connectPostgres(`postgres://postgres@${address}/x`, { max: 1 });
    const error = await pingPostgres(sql).catch((e: unknown) => e);
    expect(isDatabaseUnavailable(error)).toBe(true);
    await sql.end({ timeout: 0 });
  },
);
