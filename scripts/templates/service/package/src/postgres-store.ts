import {
  findRequest,
  type RequestRecord,
  type Sql,
  sweepRequests,
  useRequest,
} from "@tercet/service";
import type { widgets } from "./schema.ts";
import type { AcmeStore } from "./store.ts";
import type { NewWidget, Widget } from "./widget.ts";

/** The folder that drizzle-kit writes, seen from `src` and from `dist`. */
export const MIGRATIONS = new URL("../migrations/", import.meta.url);

/** `sql` serves callers; `work` serves background work, at a lower priority. */
export function postgresStore(sql: Sql, work: Sql = sql): AcmeStore {
  return {
    insertWidget: (request, widget) => insertWidget(sql, request, widget),
    findWidget: (id, ownerId) => findWidget(sql, id, ownerId),
    findRequest: (caller, requestId) => findRequest(sql, caller, requestId),
    sweepRequests: (limit) => sweepRequests(work, limit),
  };
}

async function insertWidget(
  sql: Sql,
  request: RequestRecord,
  { id, ownerId, name }: NewWidget,
): Promise<boolean> {
  const rows = await sql`
    with request as (${useRequest(sql, request)})
    insert into widgets (id, owner_id, name)
    select ${id}::uuid, ${ownerId}::uuid, ${name} from request
    returning id`;
  return rows.length > 0;
}

async function findWidget(
  sql: Sql,
  id: string,
  ownerId: string | undefined,
): Promise<Widget | undefined> {
  const [widget] = await sql<(typeof widgets.$inferSelect)[]>`
    select * from widgets
    where id = ${id} and (${ownerId ?? null}::uuid is null or owner_id = ${ownerId ?? null}::uuid)`;
  return widget;
}
