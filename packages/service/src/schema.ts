/**
 * `@tercet/service/schema`: what schemas are made of, for drizzle-kit and migrations. A running
 * service does not load drizzle.
 */
import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";

/** A column `timestamptz`; with `precision` 3 it holds whole milliseconds, as a Date does. */
export const time = (name: string, precision?: 3) =>
  timestamp(name, { withTimezone: true, ...(precision && { precision }) });

/** A column `timestamptz not null default now()`. */
export const timeDefaultNow = (name: string, precision?: 3) =>
  time(name, precision).notNull().defaultNow();

/** Used request ids. The statement that carries a request out also inserts its row. */
export const requests = pgTable(
  "requests",
  {
    caller: text("caller").notNull(),
    requestId: uuid("request_id").notNull(),
    method: text("method").notNull(),
    fingerprint: text("fingerprint").notNull(),
    resourceId: text("resource_id").notNull(),
    createTime: timeDefaultNow("create_time"),
  },
  (table) => [
    primaryKey({ columns: [table.caller, table.requestId] }),
    index("requests_create_time_idx").on(table.createTime),
  ],
);

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
