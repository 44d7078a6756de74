import type { Sql } from "@tercet/service";
import { type TestDatabase, testDatabase } from "@tercet/service/testing";
import { afterAll, beforeAll, describe } from "vitest";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import { storeContract } from "./store.contract.ts";

describe("on PostgreSQL", () => {
  let database: TestDatabase;
  let sql: Sql;
  beforeAll(async () => {
    database = await testDatabase(MIGRATIONS);
    sql = database.connect();
  });
  afterAll(async () => {
    await sql.end();
    await database[Symbol.asyncDispose]();
  });

  storeContract(() => postgresStore(sql));
});
