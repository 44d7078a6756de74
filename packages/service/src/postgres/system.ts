import { sql } from "drizzle-orm";
import { boolean, check, pgTable, text } from "drizzle-orm/pg-core";
import { timeDefaultNow } from "./columns.ts";
import type { Sql } from "./postgres.ts";

/** One row: the system whose services may use this database. */
export const system = pgTable(
  "system",
  {
    onlyRow: boolean("only_row").primaryKey().default(true),
    id: text("id").notNull(),
    createTime: timeDefaultNow("create_time"),
  },
  (table) => [check("system_has_one_row", sql`${table.onlyRow}`)],
);

/** The database belongs to another system: using it would mix their customers and their money. */
export class ForeignDatabaseError extends Error {
  constructor(owner: string, systemId: string) {
    super(
      `the database belongs to the system "${owner}", and this service to "${systemId}": give it a database of its own, or set SYSTEM_ID=${owner} if it belongs to that system`,
    );
    this.name = "ForeignDatabaseError";
  }
}

/**
 * Records at the first start that the database belongs to this system. Throws ForeignDatabaseError
 * if it belongs to another one.
 */
export async function claimDatabase(sql: Sql, systemId: string): Promise<void> {
  await sql`insert into system (id) values (${systemId}) on conflict do nothing`;
  const owner = await findSystem(sql);
  if (owner !== systemId) throw new ForeignDatabaseError(owner ?? "", systemId);
}

/** Resolves to the system that the database belongs to; undefined before its first start. */
export async function findSystem(sql: Sql): Promise<string | undefined> {
  const [row] = await sql<{ id: string }[]>`select id from system`;
  return row?.id;
}
