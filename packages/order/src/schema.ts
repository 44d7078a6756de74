import type { SagaFailure } from "@tercet/saga";
import { timeDefaultNow } from "@tercet/service/schema";
import { sql } from "drizzle-orm";
import { bigint, char, check, index, jsonb, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { ORDER_STATUSES } from "./order.ts";

export { sagas, workers } from "@tercet/saga/schema";
export { requests, system } from "@tercet/service/schema";

export const products = pgTable(
  "products",
  {
    sku: text("sku").primaryKey(),
    name: text("name").notNull(),
    description: text("description").notNull(),
    currencyCode: char("currency_code", { length: 3 }).notNull(),
    /** Of one piece. */
    minorUnits: bigint("minor_units", { mode: "bigint" }).notNull(),
    stock: bigint("stock", { mode: "bigint" }).notNull(),
    updateTime: timeDefaultNow("update_time"),
  },
  (t) => [
    check("products_price_positive", sql`${t.minorUnits} > 0`),
    check("products_stock_not_negative", sql`${t.stock} >= 0`),
  ],
);

/** An item in JSON. Its price is in the order's currency, in minor units. */
export interface ItemRow {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly unitPrice: string;
}

export const orders = pgTable(
  "orders",
  {
    id: uuid("id").primaryKey(),
    customerId: uuid("customer_id").notNull(),
    items: jsonb("items").$type<ItemRow[]>().notNull(),
    currencyCode: char("currency_code", { length: 3 }).notNull(),
    minorUnits: bigint("minor_units", { mode: "bigint" }).notNull(),
    paymentId: uuid("payment_id").notNull(),
    /** How much of the payment was refunded, as far as this service knows. */
    refundedMinorUnits: bigint("refunded_minor_units", { mode: "bigint" })
      .notNull()
      .default(sql`0`),
    failure: jsonb("failure").$type<SagaFailure>(),
    createTime: timeDefaultNow("create_time"),
    // In the table too, what changes comes last: the log of an update leaves out what is before.
    status: text("status", { enum: ORDER_STATUSES }).notNull(),
    updateTime: timeDefaultNow("update_time"),
    /** The status, if it is one of LISTED_STATUSES. */
    listedStatus: text("listed_status", { enum: ORDER_STATUSES }).generatedAlwaysAs(
      sql`case when status not in ('PENDING', 'CONFIRMED') then status end`,
    ),
  },
  (t) => [
    // Ascending: new ids go to the end of a key's part, and lists read it backward.
    index("orders_by_customer").on(t.customerId, t.listedStatus, t.id),
    index("orders_by_status").on(t.listedStatus, t.id),
    check(
      "orders_refunded_within_total",
      sql`0 <= ${t.refundedMinorUnits} and ${t.refundedMinorUnits} <= ${t.minorUnits}`,
    ),
  ],
);

/** How far this service has read what another one publishes. */
export const feeds = pgTable("feeds", {
  name: text("name").primaryKey(),
  pageToken: text("page_token").notNull(),
  updateTime: timeDefaultNow("update_time"),
});
