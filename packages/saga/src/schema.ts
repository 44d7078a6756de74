import { sql } from "drizzle-orm";
import { bigint, index, integer, jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import {
  OPEN_STATES,
  SAGA_STATES,
  type SagaEvent,
  type SagaFailure,
  type SagaResolution,
} from "./saga.ts";

const time = (name: string) => timestamp(name, { withTimezone: true }).notNull().defaultNow();

/** The engine's tables. They are in the database of the service, and migrate with it. */
export const sagas = pgTable(
  "sagas",
  {
    id: uuid("id").primaryKey(),
    kind: text("kind").notNull(),
    version: integer("version").notNull(),
    subject: uuid("subject").notNull(),
    state: text("state", { enum: SAGA_STATES }).notNull(),
    resumeState: text("resume_state", { enum: OPEN_STATES }),
    step: text("step").notNull(),
    attempt: integer("attempt").notNull().default(0),
    input: jsonb("input").notNull(),
    fairnessKey: text("fairness_key").notNull().default(""),
    origin: jsonb("origin").$type<Record<string, string>>().notNull().default({}),
    failure: jsonb("failure").$type<SagaFailure>(),
    lastError: text("last_error"),
    resolution: jsonb("resolution").$type<SagaResolution>(),
    owner: uuid("owner"),
    fence: bigint("fence", { mode: "bigint" }).notNull(),
    nextRunAt: time("next_run_at"),
    deadlineAt: timestamp("deadline_at", { withTimezone: true }).notNull(),
    /** Earlier versions of the engine wrote here, and now `history`: see `StoredEvents`. */
    events: jsonb("events").$type<SagaEvent[]>().notNull().default([]),
    history: text("history").notNull().default(""),
    createTime: time("create_time"),
    updateTime: time("update_time"),
  },
  (t) => [
    // Only open sagas are searched by time or owner: closed ones cost nothing.
    index("sagas_due").on(t.nextRunAt).where(sql`${t.state} in ('RUNNING', 'COMPENSATING')`),
    index("sagas_attention").on(t.id).where(sql`${t.state} = 'NEEDS_ATTENTION'`),
    index("sagas_subject").on(t.subject),
  ],
);

/** One row for each living process. Sagas of a worker not seen for a lease may be taken over. */
export const workers = pgTable("workers", {
  id: uuid("id").primaryKey(),
  name: text("name").notNull(),
  instance: text("instance"),
  seenAt: time("seen_at"),
});
