import { connectPostgres, openPostgres } from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { describe, expect, test } from "vitest";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import { storeContract } from "./store.contract.ts";

describe("the PostgreSQL store", () => {
  storeContract(async () => {
    const database = await testDatabase(MIGRATIONS);
    const store = postgresStore(connectPostgres(database.url, { max: 8 }));
    return {
      ...store,
      [Symbol.asyncDispose]: async () => {
        await store[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      },
    };
  });

  test("replicas that start concurrently all find the schema up to date", async () => {
    await using database = await testDatabase();
    const stores = await Promise.all(
      Array.from({ length: 4 }, async () =>
        postgresStore(await openPostgres("identity", database.url, MIGRATIONS)),
      ),
    );
    for (const store of stores)
      expect(await store.listUsers({ limit: 1, emailPrefix: "" })).toEqual([]);
    await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
  });
});
