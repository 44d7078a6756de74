import { Code } from "@connectrpc/connect";
import { type ErrorCodes, ReasonError } from "@tercet/service";

/** Reasons that a caller can act on; identity.proto lists those of each method. */
export type IdentityReason =
  | "EMAIL_TAKEN"
  | "INVALID_CREDENTIALS"
  | "USER_DISABLED"
  | "LAST_ADMIN"
  | "TOKEN_REUSED"
  | "AUDIENCE_NOT_ALLOWED";

export class IdentityError extends ReasonError<IdentityReason> {}

export const identityErrorCodes: ErrorCodes<IdentityReason> = {
  EMAIL_TAKEN: Code.AlreadyExists,
  INVALID_CREDENTIALS: Code.Unauthenticated,
  USER_DISABLED: Code.PermissionDenied,
  LAST_ADMIN: Code.FailedPrecondition,
  TOKEN_REUSED: Code.Unauthenticated,
  AUDIENCE_NOT_ALLOWED: Code.PermissionDenied,
};

export const emailTaken = (): IdentityError =>
  new IdentityError("EMAIL_TAKEN", "this email address is already registered");

/** One message for every cause, so that it does not reveal which accounts or clients exist. */
export const invalidCredentials = (): IdentityError =>
  new IdentityError("INVALID_CREDENTIALS", "the credentials are not valid");

export const userDisabled = (): IdentityError =>
  new IdentityError("USER_DISABLED", "this user is disabled; ask an administrator");

export const lastAdmin = (): IdentityError =>
  new IdentityError(
    "LAST_ADMIN",
    "this is the last enabled administrator; give another user the role first",
  );

export const tokenReused = (): IdentityError =>
  new IdentityError(
    "TOKEN_REUSED",
    "this refresh token was used before; its session has been revoked, log in again",
  );

export const audienceNotAllowed = (audience: string): IdentityError =>
  new IdentityError("AUDIENCE_NOT_ALLOWED", "this client may not have a token for this audience", {
    audience,
  });
