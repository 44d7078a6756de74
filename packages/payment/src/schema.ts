import { timeDefaultNow } from "@tercet/service/schema";
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import {
  type DeclineReason,
  type EventType,
  PAYMENT_STATUSES,
  type RefundStatus,
} from "./payment.ts";

export { system } from "@tercet/service/schema";

/** Whole milliseconds, as a Date holds: a page key made from a Date must find its row again. */
const time = (name: string) => timeDefaultNow(name, 3);

const quoted = (values: readonly string[]) => values.map((value) => `'${value}'`).join(", ");

/** In JSON, amounts are text because its numbers are not exact, and times are ISO 8601. */
interface RefundJson {
  readonly id: string;
  /** Older rows lack it: it is the charge's. */
  readonly currencyCode?: string;
  readonly minorUnits: string;
  readonly reason: string;
  readonly fingerprint: string;
  readonly status: RefundStatus;
  readonly createTime: string;
}

interface EventJson {
  readonly time: string;
  readonly type: EventType;
  readonly detail: string;
}

/** One payment with its refunds and events: every change is one atomic write of one row. */
export const payments = pgTable(
  "payments",
  {
    id: uuid("id").primaryKey(),
    status: text("status", { enum: PAYMENT_STATUSES }).notNull(),
    // What the caller asked to charge; all null on a tombstone.
    orderId: uuid("order_id"),
    customerId: uuid("customer_id"),
    currencyCode: text("currency_code"),
    minorUnits: bigint("minor_units", { mode: "bigint" }),
    fingerprint: text("fingerprint"),
    // Sums over `refunds`, so that one condition bounds them; 0 on a tombstone.
    reservedMinorUnits: bigint("reserved_minor_units", { mode: "bigint" })
      .notNull()
      .default(sql`0`),
    refundedMinorUnits: bigint("refunded_minor_units", { mode: "bigint" })
      .notNull()
      .default(sql`0`),
    // By refund id.
    refunds: jsonb("refunds").$type<Record<string, RefundJson>>().notNull().default({}),
    declineReason: text("decline_reason").$type<DeclineReason>(),
    providerReference: text("provider_reference"),
    /** Earlier versions wrote here, and now `history`: see `eventsOf`. */
    events: jsonb("events").$type<EventJson[]>().notNull().default([]),
    history: text("history").notNull().default(""),
    // The reconciler's schedule: see `PaymentStore`.
    openWork: integer("open_work").notNull(),
    watched: boolean("watched").notNull().default(false),
    attemptTime: time("attempt_time"),
    chargeTime: time("charge_time"),
    createTime: time("create_time"),
    updateTime: time("update_time"),
  },
  (t) => [
    // Ascending: new payments go to the end of a key's part, and lists read it backward.
    index("payments_newest").on(t.createTime.asc().nullsFirst(), t.id.asc().nullsFirst()),
    index("payments_of_order").on(t.orderId),
    index("payments_of_customer").on(
      t.customerId,
      t.createTime.asc().nullsFirst(),
      t.id.asc().nullsFirst(),
    ),
    // Most payments are SUCCEEDED: the newest of them are among the newest of all.
    index("payments_by_status")
      .on(t.status, t.createTime.asc().nullsFirst(), t.id.asc().nullsFirst())
      .where(sql`status <> 'SUCCEEDED'`),
    // Only unfinished payments: finished ones cost the reconciler nothing.
    index("payments_open_work").on(t.attemptTime).where(sql`open_work > 0`),
    index("payments_watched").on(t.attemptTime).where(sql`watched`),
    index("payments_refunded").on(t.updateTime, t.id).where(sql`refunded_minor_units > 0`),
    check("known_status", sql.raw(`status in (${quoted(PAYMENT_STATUSES)})`)),
    check(
      "whole_charge",
      sql`num_nulls(order_id, customer_id, currency_code, minor_units, fingerprint) in (0, 5)`,
    ),
    check("only_tombstones_lack_a_charge", sql`minor_units is not null or status = 'VOIDED'`),
    check("positive_amount", sql`minor_units > 0`),
    check(
      "refunds_within_capture",
      sql`0 <= refunded_minor_units and refunded_minor_units <= reserved_minor_units and reserved_minor_units <= coalesce(minor_units, 0)`,
    ),
    check(
      "all_back_when_refunded",
      sql`status <> 'REFUNDED' or refunded_minor_units = minor_units`,
    ),
    check("declined_for_a_reason", sql`(status = 'DECLINED') = (decline_reason is not null)`),
    check("open_work_counts", sql`open_work >= 0`),
  ],
);
