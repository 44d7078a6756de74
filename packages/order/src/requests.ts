import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  assertSameRequest,
  findRequest,
  fingerprint,
  isDatabaseUnavailable,
  markReplayed,
  principal,
  type RequestRecord,
  type Sql,
} from "@tercet/service";

export function toRequest<Desc extends DescMessage>(
  context: HandlerContext,
  schema: Desc,
  message: MessageShape<Desc> & { readonly requestId: string },
  resourceId: string,
): RequestRecord {
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
 * Carries a request out once. `change` is one statement that begins with `useRequest`; it answers
 * whether it changed anything. If not, the id may have been used before: then the answer is what it
 * made (`replayed`), or REQUEST_ID_REUSED if it was for something else. Undefined: not used, and
 * nothing could be changed.
 */
export async function once(
  sql: Sql,
  context: HandlerContext,
  request: RequestRecord,
  change: () => Promise<boolean>,
): Promise<string | undefined> {
  const { done, lost } = await attempt(change);
  if (done) return request.resourceId;
  const used = await findRequest(sql, request.caller, request.requestId);
  if (used === undefined && lost !== undefined) throw lost;
  if (used === undefined) return undefined;
  assertSameRequest(used, request);
  if (lost === undefined) markReplayed(context);
  return used.resourceId;
}

/**
 * A commit whose reply was lost has happened all the same: whether it did is then read, not
 * guessed.
 */
async function attempt(change: () => Promise<boolean>): Promise<{ done: boolean; lost?: unknown }> {
  try {
    return { done: await change() };
  } catch (error) {
    if (isDatabaseUnavailable(error)) return { done: false, lost: error };
    throw error;
  }
}
