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
 * The one place where a failure becomes what the caller sees. What nobody expected is logged here,
 * once, and answers `internal` without details.
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
      log.warn(fields, "a statement lost against others each time it was tried");
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
 * What another service said to this one, or how it could not be reached, is no answer to this one's
 * caller: it names addresses, and tokens that are not theirs.
 */
const isForeign = (error: ConnectError): boolean =>
  error.isWireError ||
  (error.code === Code.Unavailable &&
    typeof (error.cause as { code?: unknown } | undefined)?.code === "string");

/**
 * A field that is refused by its rule is named. Other errors of the framework go as they are, as do
 * those that a handler made for the wire: their code says it all (a deadline, an unknown encoding),
 * and the protocols' own suite counts the details.
 */
function withField(error: ConnectError): ConnectError {
  const violation = error.cause instanceof ValidationError ? error.cause.violations[0] : undefined;
  if (violation !== undefined && reasonOf(error) === undefined)
    error.details.push(
      errorInfo("INVALID_FIELD", { field: pathToString(violation.field), rule: violation.ruleId }),
    );
  return error;
}
