import { Code, ConnectError } from "@connectrpc/connect";

/** A process was killed, does not answer, or has too much to do. */
const PASSING: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Aborted,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
]);

/**
 * Whether a client asks again, with the same request_id, when its call failed so. A connection that
 * is reset is "aborted" to connect-node; one that it writes to after the process at its other end
 * was killed (EPIPE) is "internal", which no server said.
 */
export function isPassing(error: unknown): boolean {
  const { code, cause } = ConnectError.from(error);
  return PASSING.has(code) || (cause as { code?: unknown } | undefined)?.code === "EPIPE";
}
