import { hash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { requestIdReused } from "./errors.ts";
import { principal } from "./host/principal.ts";
import {
  type Fragment,
  isDatabaseUnavailable,
  milliseconds,
  type Sql,
} from "./postgres/postgres.ts";

/** One use of a `request_id`, scoped to its caller. */
export interface RequestRecord {
  /** The token's subject, or what identifies the caller of a public method. */
  readonly caller: string;
  readonly requestId: string;
  readonly method: string;
  /** Of the request without its secrets. */
  readonly fingerprint: string;
  /** The resource that it creates or changes. */
  readonly resourceId: string;
}

/**
 * Returns the SHA-256, in hex, of the message's binary form, which is deterministic for messages
 * without maps. Two requests under one id are the same request when their fingerprints are equal.
 */
export function fingerprint<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): string {
  return hash("sha256", toBinary(schema, message, { writeUnknownFields: false }), "hex");
}

/** Returns the record of a request by an authenticated caller. */
export function toRequest<Desc extends DescMessage>(
  context: HandlerContext,
  schema: Desc,
  message: MessageShape<Desc> & { readonly requestId: string },
  resourceId: string,
): RequestRecord {
  return {
    caller: principal(context).subject,
    requestId: message.requestId,
    method: context.method.name,
    fingerprint: fingerprint(schema, message),
    resourceId,
  };
}

/**
 * Returns the insert that uses the id, to begin a statement with. It yields a row only if the id is
 * unused and `source` has a row: a request that cannot be carried out leaves its id unused. Of two
 * statements with one id, the second waits here for the first.
 */
export function useRequest(
  sql: Sql,
  request: RequestRecord,
  source: Fragment = sql`(select) as always`,
) {
  const { caller, requestId, method, fingerprint, resourceId } = request;
  return sql`
    insert into requests (caller, request_id, method, fingerprint, resource_id)
    select ${caller}, ${requestId}::uuid, ${method}, ${fingerprint}, ${resourceId} from ${source}
    on conflict do nothing
    returning resource_id`;
}

/**
 * The same for a set of requests with different ids: yields a row for each whose id is unused and
 * whose resource is in `source`, a query of their `resource_id`. Sort them by caller and id, so
 * that two statements with the same ids do not wait for each other.
 */
export function useRequests(
  sql: Sql,
  requests: readonly RequestRecord[],
  source: Fragment,
): Fragment {
  return sql`
    insert into requests (caller, request_id, method, fingerprint, resource_id)
    select * from jsonb_to_recordset(${sql.json(requests)})
      as r(caller text, "requestId" uuid, method text, fingerprint text, "resourceId" text)
    where "resourceId" in (${source})
    on conflict do nothing
    returning resource_id`;
}

/** Resolves to the earlier use of the id; undefined if there is none. */
export async function findRequest(
  sql: Sql,
  caller: string,
  requestId: string,
): Promise<RequestRecord | undefined> {
  const [used] = await sql<RequestRecord[]>`
    select caller, request_id, method, fingerprint, resource_id from requests where caller = ${caller} and request_id = ${requestId}`;
  return used;
}

/** The store of past requests: a part of a service's store. */
export interface RequestStore {
  findRequest(caller: string, requestId: string): Promise<RequestRecord | undefined>;
}

/**
 * The outcome of one request:
 * - `done`: it was carried out now, on `resourceId`;
 * - `replayed`: it was carried out before, on `resourceId`;
 * - `unchanged`: its id is unused, and there was nothing to change (no such resource, or not in a
 *   state that allows it).
 */
export type Once =
  | { readonly kind: "done" | "replayed"; readonly resourceId: string }
  | { readonly kind: "unchanged" };

/**
 * Carries a request out once. `change` is one statement that begins with `useRequest` and resolves
 * to whether it changed anything. Throws REQUEST_ID_REUSED when the id was used for another
 * request.
 */
export async function once(
  store: RequestStore,
  request: RequestRecord,
  change: () => Promise<boolean>,
): Promise<Once> {
  let lost: unknown;
  try {
    if (await change()) return { kind: "done", resourceId: request.resourceId };
  } catch (error) {
    // A lost reply can hide a commit: read the outcome.
    if (!isDatabaseUnavailable(error)) throw error;
    lost = error;
  }
  const resourceId = await findReplay(store, request);
  if (resourceId === undefined && lost !== undefined) throw lost;
  if (resourceId === undefined) return { kind: "unchanged" };
  const isOurs = lost !== undefined && resourceId === request.resourceId;
  return { kind: isOurs ? "done" : "replayed", resourceId };
}

/**
 * Returns the resource of the same request when it was carried out before, else undefined. Throws
 * REQUEST_ID_REUSED when the id was used for another request.
 */
export async function findReplay(
  store: RequestStore,
  request: RequestRecord,
): Promise<string | undefined> {
  const used = await store.findRequest(request.caller, request.requestId);
  if (used === undefined) return undefined;
  if (used.method !== request.method || used.fingerprint !== request.fingerprint)
    throw requestIdReused();
  return used.resourceId;
}

/** How long a `request_id` is remembered: a replay within this time has no second effect. */
export const REQUEST_RETENTION_MS = 7 * 24 * 60 * 60_000;

/**
 * Deletes at most `limit` requests that are older than `retentionMs`, oldest first, and resolves to
 * how many it deleted. Rows that another replica is deleting are skipped.
 */
export async function sweepRequests(
  sql: Sql,
  limit: number,
  retentionMs = REQUEST_RETENTION_MS,
): Promise<number> {
  const { count } = await sql`
    delete from requests where (caller, request_id) in (
      select caller, request_id from requests
      where create_time <= now() - ${milliseconds(sql, retentionMs)}
      order by create_time limit ${limit} for update skip locked
    )`;
  return count;
}
