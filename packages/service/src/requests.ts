import { index, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { requestIdReused } from "./errors.ts";
import type { Sql } from "./postgres/postgres.ts";

/**
 * What callers have asked for under which id; a row is written by the statement that does what was
 * asked.
 */
export const requests = pgTable(
  "requests",
  {
    caller: text("caller").notNull(),
    requestId: uuid("request_id").notNull(),
    method: text("method").notNull(),
    fingerprint: text("fingerprint").notNull(),
    resourceId: text("resource_id").notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.caller, table.requestId] }),
    index("requests_create_time_idx").on(table.createTime),
  ],
);

/** One use of a `request_id`, scoped to its caller. */
export interface RequestRecord {
  /** Whose ids they are: the token's subject, or what stands for it where nobody is logged in. */
  readonly caller: string;
  readonly requestId: string;
  readonly method: string;
  /** Of the request without its secrets; see `fingerprint`. */
  readonly fingerprint: string;
  /** What it makes or changes. */
  readonly resourceId: string;
}

/**
 * The insert that uses up the id, for a statement to begin with: it answers a row only if the id
 * was not used before and `source` has a row, so that a request which cannot be carried out leaves
 * its id free. Of two statements with one id the second waits here for the first.
 */
export function useRequest(
  sql: Sql,
  request: RequestRecord,
  source: ReturnType<Sql> = sql`(select) as always`,
) {
  const { caller, requestId, method, fingerprint, resourceId } = request;
  return sql`
    insert into requests (caller, request_id, method, fingerprint, resource_id)
    select ${caller}, ${requestId}::uuid, ${method}, ${fingerprint}, ${resourceId} from ${source}
    on conflict do nothing
    returning resource_id`;
}

/** What the id was used for before; undefined when it was not. */
export async function findRequest(
  sql: Sql,
  caller: string,
  requestId: string,
): Promise<RequestRecord | undefined> {
  const [used] = await sql<RequestRecord[]>`
    select caller, request_id, method, fingerprint, resource_id from requests where caller = ${caller} and request_id = ${requestId}`;
  return used;
}

/** Throws REQUEST_ID_REUSED when the id was used for something else than it is used for now. */
export function assertSameRequest(used: RequestRecord, request: RequestRecord): void {
  if (used.method !== request.method || used.fingerprint !== request.fingerprint)
    throw requestIdReused();
}
