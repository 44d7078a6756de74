import type { Logger } from "@tercet/service";
import type { UserRole } from "./user.ts";

/**
 * What happened that an operator may want to know or count. Users appear by id, never by address;
 * no password and no token appears at all.
 */
export interface IdentityEvents {
  registered(userId: string): void;
  rolesChanged(userId: string, roles: readonly UserRole[], by: string): void;
  loggedIn(userId: string): void;
  /** Undefined when there is no such user. */
  loginFailed(userId: string | undefined): void;
  /** Milliseconds until the next attempt is admitted. */
  loginThrottled(wait: number): void;
  loggedOut(userId: string): void;
  /** Either a client with two copies of a token, or a thief: the session is revoked. */
  refreshTokenReused(userId: string): void;
  serviceTokenIssued(clientId: string, audience: string): void;
  /** Undefined when there is no such client. */
  serviceTokenRefused(clientId: string | undefined, reason: string): void;
}

export const identityEvents = (log: Logger): IdentityEvents => ({
  registered: (userId) => log.info({ event: "user_registered", userId }, "user registered"),
  rolesChanged: (userId, roles, by) =>
    log.info({ event: "roles_changed", userId, roles, by }, "roles changed"),
  loggedIn: (userId) => log.info({ event: "login_succeeded", userId }, "login succeeded"),
  loginFailed: (userId) => log.warn({ event: "login_failed", userId }, "login failed"),
  loginThrottled: (wait) =>
    log.warn({ event: "login_throttled", wait }, "login refused before its password was looked at"),
  loggedOut: (userId) => log.info({ event: "logged_out", userId }, "logged out"),
  refreshTokenReused: (userId) =>
    log.warn(
      { event: "refresh_token_reused", userId },
      "a used refresh token came back; session revoked",
    ),
  serviceTokenIssued: (clientId, audience) =>
    log.info({ event: "service_token_issued", clientId, audience }, "service token issued"),
  serviceTokenRefused: (clientId, reason) =>
    log.warn({ event: "service_token_refused", clientId, reason }, "service token refused"),
});
