import { connectPostgres } from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { afterAll, describe, expect, test } from "vitest";
import { openPaymentStore } from "./connect-store.ts";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import { atomicityContract, functionalContract, ownershipContract } from "./store.contract.ts";

describe("the PostgreSQL store", async () => {
  const database = await testDatabase(MIGRATIONS);
  afterAll(() => database[Symbol.asyncDispose]());
  const open = async () => postgresStore(connectPostgres(database.url));
  functionalContract(open);
  atomicityContract(open);
  ownershipContract((systemId) =>
    openPaymentStore(database.url, systemId === undefined ? {} : { systemId }),
  );

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
