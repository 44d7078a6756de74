import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { Fragment } from "@tercet/saga";
import { fingerprint, isDatabaseUnavailable, markReplayed, principal, requestIdReused, type Sql } from "@tercet/service";

/** One use of a request_id, scoped to its caller. */
export interface Request {
  readonly caller: string;
  readonly requestId: string;
  readonly method: string;
  readonly fingerprint: string;
  /** What it makes or changes. */
  readonly resourceId: string;
}

export function toRequest<Desc extends DescMessage>(
  context: HandlerContext,
  schema: Desc,
  message: MessageShape<Desc> & { readonly requestId: string },
  resourceId: string,
): Request {
  const { requestId } = message;
  return {
    caller: principal(context).subject,
    requestId,
    method: context.method.name,
    fingerprint: fingerprint(schema, message),
    resourceId,
  };
}

/**
 * The insert that uses up the id, for a statement to begin with: it answers a row only if the id was not used before and `source` has a row, so that
 * a request which cannot be carried out leaves its id free.
 */
export function useRequest(sql: Sql, request: Request, source: Fragment = sql`(select) as always`): Fragment {
  const { caller, requestId, method, fingerprint, resourceId } = request;
  return sql`
    insert into requests (caller, request_id, method, fingerprint, resource_id)
    select ${caller}, ${requestId}::uuid, ${method}, ${fingerprint}, ${resourceId} from ${source}
    on conflict do nothing
    returning resource_id`;
}

/**
 * Carries a request out once. `change` is one statement that begins with `useRequest`; it answers whether it changed anything. If not, the id may have been
 * used before: then the answer is what it made (`replayed`), or REQUEST_ID_REUSED if it was for something else. Undefined: not used, and nothing could be changed.
 */
export async function once(
  sql: Sql,
  context: HandlerContext,
  request: Request,
  change: () => Promise<boolean>,
): Promise<string | undefined> {
  const { done, lost } = await attempt(change);
  if (done) return request.resourceId;
  const [used] = await sql<Request[]>`
    select method, fingerprint, resource_id from requests where caller = ${request.caller} and request_id = ${request.requestId}`;
  if (used === undefined && lost !== undefined) throw lost;
  if (used === undefined) return undefined;
  if (used.method !== request.method || used.fingerprint !== request.fingerprint) throw requestIdReused();
  if (lost === undefined) markReplayed(context);
  return used.resourceId;
}

/** A commit whose reply was lost has happened all the same: whether it did is then read, not guessed. */
async function attempt(change: () => Promise<boolean>): Promise<{ done: boolean; lost?: unknown }> {
  try {
    return { done: await change() };
  } catch (error) {
    if (isDatabaseUnavailable(error)) return { done: false, lost: error };
    throw error;
  }
}
