import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";

/**
 * A failure that the caller can act on. Each package has one subclass with the union of its
 * reasons, and one table from reason to Connect code, which the host applies. `metadata` is sent to
 * the caller, so it must contain nothing internal.
 */
export class ReasonError<Reason extends string = string> extends Error {
  readonly reason: Reason;
  readonly metadata: Record<string, string>;
  /** Set if a retry after this time can succeed. */
  readonly retryAfterMs: number | undefined;

  constructor(
    reason: Reason,
    message: string,
    metadata: Record<string, string> = {},
    options: ErrorOptions & { retryAfterMs?: number } = {},
  ) {
    super(message, options);
    this.name = new.target.name;
    this.reason = reason;
    this.metadata = metadata;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The Connect code of each of a package's reasons. */
export type ErrorCodes<Reason extends string = string> = Readonly<Record<Reason, Code>>;

/** The reasons of all services; `common.v1.ErrorInfo` documents them. */
export type CommonReason =
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "INVALID_FIELD"
  | "NOT_FOUND"
  | "REQUEST_ID_REUSED"
  | "RATE_LIMITED"
  | "OVERLOADED"
  | "UNAVAILABLE"
  | "DATABASE_BUSY"
  | "CONFLICT"
  | "INTERNAL";

export class RequestError extends ReasonError<CommonReason> {}

export const commonErrorCodes: ErrorCodes<CommonReason> = {
  UNAUTHENTICATED: Code.Unauthenticated,
  PERMISSION_DENIED: Code.PermissionDenied,
  INVALID_FIELD: Code.InvalidArgument,
  NOT_FOUND: Code.NotFound,
  REQUEST_ID_REUSED: Code.InvalidArgument,
  RATE_LIMITED: Code.ResourceExhausted,
  OVERLOADED: Code.Unavailable,
  UNAVAILABLE: Code.Unavailable,
  DATABASE_BUSY: Code.ResourceExhausted,
  CONFLICT: Code.Aborted,
  INTERNAL: Code.Internal,
};

/** Also for a resource of another customer, so that callers cannot probe for it. */
export const notFound = (what: string): RequestError =>
  new RequestError("NOT_FOUND", `${what} not found`);

export const requestIdReused = (field = "request_id"): RequestError =>
  new RequestError(
    "REQUEST_ID_REUSED",
    `this ${field} was used before with a different request; use a new one`,
    { field },
  );

export const invalidField = (field: string, message: string): RequestError =>
  new RequestError("INVALID_FIELD", `${field}: ${message}`, { field });

/** Returns the wire form of a failure: code, message, and an ErrorInfo for programs. */
export function reasonToConnectError(error: ReasonError, code: Code): ConnectError {
  const headers = new Headers();
  if (error.retryAfterMs !== undefined) {
    headers.set("retry-after", String(Math.ceil(error.retryAfterMs / 1000)));
    // gRFC A6.
    headers.set("grpc-retry-pushback-ms", String(Math.ceil(error.retryAfterMs)));
  }
  if (code === Code.Unauthenticated) headers.set("www-authenticate", "Bearer");
  return new ConnectError(
    error.message,
    code,
    headers,
    [errorInfo(error.reason, error.metadata)],
    error,
  );
}

export function errorInfo(reason: string, metadata: Record<string, string> = {}) {
  return { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason, metadata }) };
}

/** Returns the reason in an error from another service, if it has one. */
export function reasonOf(error: ConnectError): string | undefined {
  return error.findDetails(ErrorInfoSchema)[0]?.reason;
}
