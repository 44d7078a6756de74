import type { DescMethod } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { ValidationError } from "@bufbuild/protovalidate";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  commonErrorCodes,
  type ErrorCodes,
  errorInfo,
  ReasonError,
  RequestError,
  reasonOf,
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
    if (error instanceof ConnectError && !foreign) return withField(error);
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

/**
 * Adds the invalid field to a validation error. Other errors of the framework and of handlers pass
 * unchanged: their code is enough, and the conformance suite counts the details.
 */
function withField(error: ConnectError): ConnectError {
  const violation = error.cause instanceof ValidationError ? error.cause.violations[0] : undefined;
  if (violation !== undefined && reasonOf(error) === undefined)
    error.details.push(
      errorInfo("INVALID_FIELD", { field: pathToString(violation.field), rule: violation.ruleId }),
    );
  return error;
}
