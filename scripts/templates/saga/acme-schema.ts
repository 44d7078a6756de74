import { timeDefaultNow } from "@tercet/service/schema";
import { pgTable, text, uuid } from "drizzle-orm/pg-core";

export const ACME_STATUSES = ["OPEN", "DONE", "CANCELLED"] as const;
export type AcmeStatus = (typeof ACME_STATUSES)[number];

/** What the acme saga is about: one row for each saga. */
export const acmeRows = pgTable("acme_rows", {
  id: uuid("id").primaryKey(),
  status: text("status", { enum: ACME_STATUSES }).notNull().default("OPEN"),
  createTime: timeDefaultNow("create_time"),
  updateTime: timeDefaultNow("update_time"),
});
