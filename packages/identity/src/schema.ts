import { time, timeDefaultNow } from "@tercet/service";
import { index, integer, jsonb, pgTable, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { UserRole } from "./user.ts";

export { requests, system } from "@tercet/service";

export const users = pgTable(
  "users",
  {
    id: uuid().primaryKey(),
    email: text().notNull(),
    displayName: text("display_name").notNull(),
    passwordHash: text("password_hash").notNull(),
    // jsonb, not text[]: to read arrays, the driver needs a round trip for types per connection.
    roles: jsonb().$type<UserRole[]>().notNull(),
    createTime: timeDefaultNow("create_time"),
  },
  (table) => [
    uniqueIndex("users_email_key").on(table.email),
    index("users_email_prefix_idx").on(table.email.op("text_pattern_ops")),
  ],
);

export const sessions = pgTable(
  "sessions",
  {
    id: uuid().primaryKey(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    createTime: timeDefaultNow("create_time"),
    expireTime: time("expire_time").notNull(),
    revokeTime: time("revoke_time"),
  },
  (table) => [index("sessions_expire_time_idx").on(table.expireTime)],
);

export const refreshTokens = pgTable(
  "refresh_tokens",
  {
    hash: text().primaryKey(),
    sessionId: uuid("session_id")
      .notNull()
      .references(() => sessions.id, { onDelete: "cascade" }),
    createTime: timeDefaultNow("create_time"),
    rotateTime: time("rotate_time"),
    successorNonce: text("successor_nonce"),
  },
  (table) => [index("refresh_tokens_session_id_idx").on(table.sessionId)],
);

export const loginFailures = pgTable(
  "login_failures",
  {
    account: text().primaryKey(),
    failures: integer().notNull(),
    lastTime: time("last_time").notNull(),
    blockedUntil: time("blocked_until").notNull(),
  },
  (table) => [index("login_failures_last_time_idx").on(table.lastTime)],
);
