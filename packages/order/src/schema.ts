import type { SagaFailure } from "@tercet/saga";
import { sql } from "drizzle-orm";
import {
  bigint,
  char,
  check,
  index,
  jsonb,
  pgTable,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import type { OrderItem } from "./order.ts";

export { sagas, workers } from "@tercet/saga";
export { requests } from "@tercet/service";

const time = (name: string) => timestamp(name, { withTimezone: true }).notNull().defaultNow();

export const products = pgTable(
  "products",
  {
    sku: text("sku").primaryKey(),
    name: text("name").notNull(),
    description: text("description").notNull(),
    currency: char("currency", { length: 3 }).notNull(),
    price: bigint("price", { mode: "bigint" }).notNull(),
    stock: bigint("stock", { mode: "bigint" }).notNull(),
    updateTime: time("update_time"),
  },
  (t) => [
    check("products_price_positive", sql`${t.price} > 0`),
    check("products_stock_not_negative", sql`${t.stock} >= 0`),
  ],
);

export const orders = pgTable(
  "orders",
  {
    id: uuid("id").primaryKey(),
    customerId: uuid("customer_id").notNull(),
    status: text("status", {
      enum: ["PENDING", "CONFIRMED", "REJECTED", "CANCELLING", "CANCELLED", "NEEDS_ATTENTION"],
    }).notNull(),
    items: jsonb("items").$type<OrderItem[]>().notNull(),
    currency: char("currency", { length: 3 }).notNull(),
    total: bigint("total", { mode: "bigint" }).notNull(),
    paymentId: uuid("payment_id").notNull(),
    failure: jsonb("failure").$type<SagaFailure>(),
    createTime: time("create_time"),
    updateTime: time("update_time"),
  },
  (t) => [
    index("orders_by_customer").on(t.customerId, t.id.desc()),
    index("orders_by_status").on(t.status, t.id.desc()),
  ],
);
