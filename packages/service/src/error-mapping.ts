import type { DescMethod } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { ValidationError } from "@bufbuild/protovalidate";
import { Code, ConnectError } from "@connectrpc/connect";
import { commonErrorCodes, type ErrorCodes, errorInfo, ReasonError, RequestError, reasonOf, reasonToConnectError } from "./errors.ts";
import type { Logger } from "./log.ts";
import { isDatabaseUnavailable } from "./postgres.ts";
import { isConflict } from "./postgres-pool.ts";

export type ToConnectError = (error: unknown, method: DescMethod) => ConnectError;

/** The one place where a failure becomes what the caller sees. What nobody expected is logged here, once, and answers `internal` without details. */
export function createErrorMapping(codes: ErrorCodes, log: Logger): ToConnectError {
  const table: Readonly<Record<string, Code>> = { ...commonErrorCodes, ...codes };
  return (error, method) => {
    const fields = { err: error, method: `${method.parent.typeName}/${method.name}` };
    if (error instanceof ReasonError) {
      const code = table[error.reason] ?? Code.Unknown;
      if (code === Code.Unavailable && error.cause !== undefined) log.warn(fields, "a dependency failed");
      return reasonToConnectError(error, code);
    }
    const foreign = error instanceof ConnectError && isForeign(error);
    if (error instanceof ConnectError && !foreign) return withReason(error);
    if (isConflict(error)) {
      log.warn(fields, "a statement lost against others each time it was tried");
      return reasonToConnectError(new RequestError("CONFLICT", "too many changes at once; try again"), Code.Aborted);
    }
    if (foreign ? OUTAGES.has(error.code) : isDatabaseUnavailable(error)) {
      log.warn(fields, "a dependency failed");
      return withReason(new ConnectError("a dependency is unavailable; try again", Code.Unavailable));
    }
    log.error(fields, "a call failed unexpectedly");
    return withReason(new ConnectError("internal error", Code.Internal));
  };
}

const OUTAGES = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.ResourceExhausted, Code.Aborted, Code.Canceled]);

/** What another service said to this one, or how it could not be reached, is no answer to this one's caller: it names addresses, and tokens that are not theirs. */
const isForeign = (error: ConnectError): boolean =>
  error.isWireError || (error.code === Code.Unavailable && typeof (error.cause as { code?: unknown } | undefined)?.code === "string");

const REASON_OF_CODE: Partial<Record<Code, string>> = {
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [Code.Unavailable]: "UNAVAILABLE",
  [Code.Internal]: "INTERNAL",
};

/** Errors of the framework carry a reason too: the first field that broke its rule, or what the code alone says. */
function withReason(error: ConnectError): ConnectError {
  if (reasonOf(error) !== undefined) return error;
  const violation = error.cause instanceof ValidationError ? error.cause.violations[0] : undefined;
  if (violation !== undefined) {
    error.details.push(errorInfo("INVALID_FIELD", { field: pathToString(violation.field), rule: violation.ruleId }));
    return error;
  }
  const reason = REASON_OF_CODE[error.code];
  if (reason !== undefined) error.details.push(errorInfo(reason));
  return error;
}
