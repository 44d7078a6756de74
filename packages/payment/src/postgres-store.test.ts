import { testDatabase } from "@tercet/service/testing";
import { afterAll, describe, expect, test } from "vitest";
import { migrations } from "./connect-store.ts";
import { PostgresPaymentStore } from "./postgres-store.ts";
import { atomicityContract, functionalContract } from "./store.contract.ts";

describe("PostgresPaymentStore", async () => {
  const database = await testDatabase(migrations);
  afterAll(() => database[Symbol.asyncDispose]());
  const open = async () => new PostgresPaymentStore(database.url);
  functionalContract(open);
  atomicityContract(open);

  test("the schema itself refuses what the statements never write", async () => {
    const { connectPostgres } = await import("@tercet/service");
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
