import { Code, ConnectError } from "@connectrpc/connect";

/** A process was killed, does not respond, or is overloaded. */
const PASSING: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Aborted,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
]);

/**
 * Returns whether a client repeats a call that failed like this, with the same request_id.
 * connect-node reports a reset connection as "aborted", and a write to a connection whose peer was
 * killed (EPIPE) as "internal".
 */
export function isPassing(error: unknown): boolean {
  const { code, cause } = ConnectError.from(error);
  return PASSING.has(code) || (cause as { code?: unknown } | undefined)?.code === "EPIPE";
}
