import type { Logger } from "@tercet/service";
import type { UserRole } from "./user.ts";

/**
 * One function per event. Users appear by id, never by email address; passwords and tokens do not
 * appear at all.
 */

export function registered(log: Logger, userId: string): void {
  log.info({ event: "user_registered", user_id: userId }, "user registered");
}

export function rolesChanged(
  log: Logger,
  userId: string,
  roles: readonly UserRole[],
  by: string,
): void {
  log.info({ event: "roles_changed", user_id: userId, roles, by }, "roles changed");
}

export function userDisabled(log: Logger, userId: string, by: string): void {
  log.info({ event: "user_disabled", user_id: userId, by }, "user disabled; sessions revoked");
}

export function userEnabled(log: Logger, userId: string, by: string): void {
  log.info({ event: "user_enabled", user_id: userId, by }, "user enabled");
}

export function passwordResetIssued(log: Logger, userId: string, by: string): void {
  log.info({ event: "password_reset_issued", user_id: userId, by }, "password reset issued");
}

export function passwordReset(log: Logger, userId: string): void {
  log.info({ event: "password_reset", user_id: userId }, "password reset; sessions revoked");
}

export function loggedIn(log: Logger, userId: string): void {
  log.info({ event: "login_succeeded", user_id: userId }, "login succeeded");
}

/** `userId` is undefined if no user has the address. */
export function loginFailed(log: Logger, userId: string | undefined): void {
  log.warn({ event: "login_failed", user_id: userId }, "login failed");
}

/** `waitMs` is the time until the next attempt is admitted. */
export function loginThrottled(log: Logger, waitMs: number): void {
  const fields = { event: "login_throttled", wait_ms: waitMs };
  log.warn(fields, "login refused before its password was checked");
}

export function loggedOut(log: Logger, userId: string): void {
  log.info({ event: "logged_out", user_id: userId }, "logged out");
}

/** Either a client with two copies of a token, or a thief. */
export function refreshTokenReused(log: Logger, userId: string): void {
  const fields = { event: "refresh_token_reused", user_id: userId };
  log.warn(fields, "a used refresh token was presented again; session revoked");
}

export function serviceTokenIssued(log: Logger, clientId: string, audience: string): void {
  const fields = { event: "service_token_issued", client_id: clientId, audience };
  log.info(fields, "service token issued");
}

/** `clientId` is undefined if there is no such client. */
export function serviceTokenRefused(
  log: Logger,
  clientId: string | undefined,
  reason: string,
): void {
  const fields = { event: "service_token_refused", client_id: clientId, reason };
  log.warn(fields, "service token refused");
}
