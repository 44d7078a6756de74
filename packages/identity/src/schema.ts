import { time, timeDefaultNow } from "@tercet/service/schema";
import { sql } from "drizzle-orm";
import { index, integer, jsonb, pgTable, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { UserRole } from "./user.ts";

export { requests, system } from "@tercet/service/schema";

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
    disableTime: time("disable_time"),
    disableReason: text("disable_reason"),
    /** Incrementing it revokes every session of the user: see `sessions.epoch`. */
    sessionEpoch: integer("session_epoch").notNull().default(0),
    /** Incrementing it revokes every access token of the user: see `revocations`. */
    tokenVersion: integer("token_version").notNull().default(0),
    resetTokenHash: text("reset_token_hash"),
    resetExpireTime: time("reset_expire_time"),
  },
  (table) => [
    uniqueIndex("users_email_key").on(table.email),
    index("users_email_prefix_idx").on(table.email.op("text_pattern_ops")),
    uniqueIndex("users_reset_token_hash_key").on(table.resetTokenHash),
    index("users_admins_idx")
      .on(table.id)
      .where(sql`${table.roles} @> '["admin"]'::jsonb and ${table.disableTime} is null`),
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
    /** The user's `sessionEpoch` when the password was checked; with another it is revoked. */
    epoch: integer().notNull().default(0),
  },
  (table) => [
    index("sessions_expire_time_idx").on(table.expireTime),
    index("sessions_user_id_idx").on(table.userId, table.id),
  ],
);

/** Until the last token that is revoked has expired by itself. */
export const revocations = pgTable(
  "revocations",
  {
    /** Of a session; of a user if there is a token version. */
    id: uuid().primaryKey(),
    /** Older tokens of the user are revoked, except those of one session. */
    tokenVersion: integer("token_version"),
    exceptSessionId: uuid("except_session_id"),
    expireTime: time("expire_time").notNull(),
  },
  (table) => [index("revocations_expire_time_idx").on(table.expireTime)],
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
