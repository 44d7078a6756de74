import { timestamp } from "drizzle-orm/pg-core";

/** A column `timestamptz`; with `precision` 3 it holds whole milliseconds, as a Date does. */
export const time = (name: string, precision?: 3) =>
  timestamp(name, { withTimezone: true, ...(precision && { precision }) });

/** A column `timestamptz not null default now()`. */
export const timeDefaultNow = (name: string, precision?: 3) =>
  time(name, precision).notNull().defaultNow();
