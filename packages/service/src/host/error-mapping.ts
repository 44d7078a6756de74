import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  commonErrorCodes,
  type ErrorCodes,
  ReasonError,
  RequestError,
  reasonToConnectError,
} from "../errors.ts";
import { isDatabaseUnavailable } from "../postgres/postgres.ts";
import { isConflict } from "../postgres/postgres-pool.ts";
import type { Logger } from "../telemetry/log.ts";

export type ToConnectError = (error: unknown, method: DescMethod) => ConnectError;

/**
 * Returns the one mapping from failures to what callers see. Unexpected failures are logged here,
 * once, and become `internal` without details.
 */
export function createErrorMapping(codes: ErrorCodes, log: Logger): ToConnectError {
  const table: Readonly<Record<string, Code>> = { ...commonErrorCodes, ...codes };
  return (error, method) => {
    const fields = { err: error, method: `${method.parent.typeName}/${method.name}` };
    if (error instanceof ReasonError) {
      const code = table[error.reason] ?? Code.Unknown;
      if (code === Code.Unavailable && error.cause !== undefined)
        log.warn(fields, "a dependency failed");
      return reasonToConnectError(error, code);
    }
    const foreign = error instanceof ConnectError && isForeign(error);
    // Errors of the framework and of handlers: their code is enough, and the conformance suite
    // counts the details.
    if (error instanceof ConnectError && !foreign) return error;
    if (isConflict(error)) {
      log.warn(fields, "a statement failed by conflicts on every attempt");
      return reasonToConnectError(
        new RequestError("CONFLICT", "too many changes at once; try again"),
        Code.Aborted,
      );
    }
    if (foreign ? OUTAGES.has(error.code) : isDatabaseUnavailable(error)) {
      log.warn(fields, "a dependency failed");
      return reasonToConnectError(
        new RequestError("UNAVAILABLE", "a dependency is unavailable; try again"),
        Code.Unavailable,
      );
    }
    log.error(fields, "a call failed unexpectedly");
    return reasonToConnectError(new RequestError("INTERNAL", "internal error"), Code.Internal);
  };
}

const OUTAGES = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
  Code.Aborted,
  Code.Canceled,
]);

/**
 * Whether the error is another service's, or a failure to reach it. Its message is not for this
 * service's caller: it names addresses, and tokens that are not theirs.
 */
const isForeign = (error: ConnectError): boolean =>
  error.isWireError ||
  (error.code === Code.Unavailable &&
    typeof (error.cause as { code?: unknown } | undefined)?.code === "string");
