import { metrics } from "@opentelemetry/api";
import type { Logger } from "@tercet/service";
import type { Session } from "./store.ts";
import type { UserRole } from "./user.ts";

/**
 * The security event log: one function per event, which counts it and logs one line with the field
 * `category: "security"`. Users appear by id, never by email address; passwords and tokens do not
 * appear at all. The address of a caller appears where it has not logged in.
 */
const SECURITY_EVENTS = [
  "user_registered",
  "registration_throttled",
  "login_succeeded",
  "login_failed",
  "login_throttled",
  "logged_out",
  "session_revoked",
  "sessions_revoked",
  "refresh_token_reused",
  "password_changed",
  "password_change_failed",
  "password_reset_issued",
  "password_reset",
  "roles_changed",
  "admin_granted",
  "user_disabled",
  "user_enabled",
  "service_token_issued",
  "service_token_refused",
  "signing_keys_loaded",
] as const;
type SecurityEvent = (typeof SECURITY_EVENTS)[number];

const counter = metrics
  .getMeter("@tercet/identity")
  .createCounter("tercet.security.events", { unit: "{event}", description: "Security events" });
// A series that first appears with its first event hides that event from increase().
for (const event of SECURITY_EVENTS) counter.add(0, { event });

const recorder =
  (level: "info" | "warn") =>
  (log: Logger, event: SecurityEvent, fields: Record<string, unknown>, message: string): void => {
    counter.add(1, { event });
    log[level]({ category: "security", event, ...fields }, message);
  };
const happened = recorder("info");
const suspicious = recorder("warn");

type SessionName = Pick<Session, "id" | "userId">;
const named = ({ id, userId }: SessionName) => ({ user_id: userId, session_id: id });

export const registered = (log: Logger, userId: string): void =>
  happened(log, "user_registered", { user_id: userId }, "user registered");

/** `waitMs` is the time until the next attempt is admitted. */
export const registrationThrottled = (
  log: Logger,
  address: string,
  limit: "address" | "all",
  waitMs: number,
): void =>
  suspicious(
    log,
    "registration_throttled",
    { client_address: address, limit, wait_ms: waitMs },
    "registration refused",
  );

export const rolesChanged = (
  log: Logger,
  userId: string,
  roles: readonly UserRole[],
  by: string,
): void =>
  happened(
    log,
    roles.includes("admin") ? "admin_granted" : "roles_changed",
    { user_id: userId, roles, by },
    "roles changed; access tokens revoked",
  );

export const userDisabled = (log: Logger, userId: string, by: string): void =>
  happened(log, "user_disabled", { user_id: userId, by }, "user disabled; sessions revoked");

export const userEnabled = (log: Logger, userId: string, by: string): void =>
  happened(log, "user_enabled", { user_id: userId, by }, "user enabled");

export const passwordResetIssued = (log: Logger, userId: string, by: string): void =>
  happened(log, "password_reset_issued", { user_id: userId, by }, "password reset issued");

export const passwordReset = (log: Logger, userId: string): void =>
  happened(log, "password_reset", { user_id: userId }, "password reset; sessions revoked");

/** `session` is the one that is not revoked. */
export const passwordChanged = (log: Logger, session: SessionName): void =>
  happened(log, "password_changed", named(session), "password changed; other sessions revoked");

export const passwordChangeFailed = (log: Logger, userId: string): void =>
  suspicious(
    log,
    "password_change_failed",
    { user_id: userId },
    "password not changed: the current one was wrong",
  );

export const loggedIn = (log: Logger, userId: string, isKnownDevice: boolean): void =>
  happened(
    log,
    "login_succeeded",
    { user_id: userId, known_device: isKnownDevice },
    "login succeeded",
  );

/** `userId` is undefined if no user has the email address. */
export const loginFailed = (log: Logger, userId: string | undefined, address: string): void =>
  suspicious(log, "login_failed", { user_id: userId, client_address: address }, "login failed");

/** What refused a login. "caller" is one address, or one known device, at one account. */
type LoginLimit = "address" | "all" | "caller" | "account";

/** `waitMs` is the time until the next attempt is admitted. */
export const loginThrottled = (
  log: Logger,
  address: string,
  limit: LoginLimit,
  waitMs: number,
): void =>
  suspicious(
    log,
    "login_throttled",
    { client_address: address, limit, wait_ms: waitMs },
    "login refused before its password was checked",
  );

export const loggedOut = (log: Logger, session: SessionName): void =>
  happened(log, "logged_out", named(session), "logged out");

export const sessionRevoked = (log: Logger, session: SessionName): void =>
  happened(log, "session_revoked", named(session), "session revoked by its user");

export const allSessionsRevoked = (log: Logger, userId: string): void =>
  happened(
    log,
    "sessions_revoked",
    { user_id: userId },
    "all sessions of a user revoked by the user",
  );

/** Either a client with two copies of a token, or a thief. */
export const refreshTokenReused = (
  log: Logger,
  { userId, sessionId }: { readonly userId: string; readonly sessionId: string },
): void =>
  suspicious(
    log,
    "refresh_token_reused",
    named({ id: sessionId, userId }),
    "a used refresh token was presented again; session revoked",
  );

export const serviceTokenIssued = (log: Logger, clientId: string, audience: string): void =>
  happened(log, "service_token_issued", { client_id: clientId, audience }, "service token issued");

/** `clientId` is undefined if there is no such client. */
export const serviceTokenRefused = (
  log: Logger,
  clientId: string | undefined,
  reason: string,
): void =>
  suspicious(
    log,
    "service_token_refused",
    { client_id: clientId, reason },
    "service token refused",
  );

/** At each start: a rotation is one line with another `signs_with` than the line before. */
export const signingKeysLoaded = (
  log: Logger,
  signsWith: string,
  published: readonly (string | undefined)[],
): void =>
  happened(log, "signing_keys_loaded", { signs_with: signsWith, published }, "signing keys loaded");
