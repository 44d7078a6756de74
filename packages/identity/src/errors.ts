import { Code } from "@connectrpc/connect";
import { ReasonError } from "@tercet/service";

export type IdentityReason =
  | "EMAIL_TAKEN"
  | "INVALID_CREDENTIALS"
  | "TOKEN_REUSED"
  | "AUDIENCE_NOT_ALLOWED";

/** A refusal by the rules of identity. */
export class IdentityError extends ReasonError<IdentityReason> {}

/** Which Connect code each reason travels under. */
export const identityErrorCodes: Record<IdentityReason, Code> = {
  EMAIL_TAKEN: Code.AlreadyExists,
  INVALID_CREDENTIALS: Code.Unauthenticated,
  TOKEN_REUSED: Code.Unauthenticated,
  AUDIENCE_NOT_ALLOWED: Code.PermissionDenied,
};

export const emailTaken = (): IdentityError =>
  new IdentityError("EMAIL_TAKEN", "this email address is registered already");

/**
 * One message for every cause, so that it tells nobody which accounts, sessions or clients exist.
 */
export const invalidCredentials = (): IdentityError =>
  new IdentityError("INVALID_CREDENTIALS", "the credentials are not valid");

export const tokenReused = (): IdentityError =>
  new IdentityError(
    "TOKEN_REUSED",
    "this refresh token was used before; its session has been revoked, log in again",
  );

export const audienceNotAllowed = (audience: string): IdentityError =>
  new IdentityError("AUDIENCE_NOT_ALLOWED", "this client may not have a token for this audience", {
    audience,
  });
