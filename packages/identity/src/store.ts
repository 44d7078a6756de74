import { REQUEST_RETENTION_MS, type RequestRecord, type RequestStore } from "@tercet/service";
import type { User, UserRole } from "./user.ts";

export interface NewUser {
  readonly email: string;
  readonly displayName: string;
  /** A PHC string. */
  readonly passwordHash: string;
  readonly roles: readonly UserRole[];
}

export interface Credentials {
  readonly user: User;
  readonly passwordHash: string;
  /** For `createSession`: a session that is created with an older epoch than the user's is dead. */
  readonly sessionEpoch: number;
}

/** A token with which its holder sets a user's password once. */
export interface NewPasswordReset {
  readonly tokenHash: string;
  readonly lifetimeMs: number;
}

export interface UserStore extends RequestStore {
  /**
   * Creates the user `request.resourceId` and records the request, both or neither. Undefined if
   * the request was recorded before. Throws EMAIL_TAKEN.
   */
  createUser(user: NewUser, request: RequestRecord): Promise<User | undefined>;
  /**
   * Replaces the roles of the user `request.resourceId` and records the request. Undefined if it
   * was recorded before, there is no such user, or no enabled admin would be left: also not by
   * several calls at once.
   */
  setRoles(roles: readonly UserRole[], request: RequestRecord): Promise<User | undefined>;
  /**
   * Disables the user `request.resourceId`, revokes all sessions and an open password reset, and
   * records the request. Undefined as for `setRoles`.
   */
  disableUser(reason: string, request: RequestRecord): Promise<User | undefined>;
  /** Undefined if the request was recorded before, or there is no such user. */
  enableUser(request: RequestRecord): Promise<User | undefined>;
  /** Replaces an open reset. Returns when it expires; undefined if there is no such user. */
  openPasswordReset(userId: string, reset: NewPasswordReset): Promise<Date | undefined>;
  /** Returns the user of an open reset. */
  findPasswordReset(tokenHash: string): Promise<User | undefined>;
  /** Uses the reset up and revokes all sessions. Undefined if the reset is not open. */
  resetPassword(tokenHash: string, passwordHash: string): Promise<User | undefined>;
  /**
   * Makes the user with this address an enabled admin with an open password reset, and revokes all
   * sessions. Undefined if there is no such user.
   */
  recoverAdmin(email: string, reset: NewPasswordReset): Promise<User | undefined>;
  findUser(id: string): Promise<User | undefined>;
  findCredentials(email: string): Promise<Credentials | undefined>;
  /** Only if it is still `from`. */
  replacePasswordHash(userId: string, from: string, to: string): Promise<void>;
  /**
   * Newest first: users with an id below `before` and an address that begins with `emailPrefix`.
   */
  listUsers(page: {
    readonly limit: number;
    readonly before?: string | undefined;
    readonly emailPrefix: string;
  }): Promise<User[]>;
}

export interface NewSession {
  readonly id: string;
  readonly userId: string;
  readonly tokenHash: string;
  /** As `findCredentials` returned it. */
  readonly epoch: number;
  /** No rotation extends it (RFC 9700 section 4.14.2 wants refresh tokens to end). */
  readonly lifetimeMs: number;
}

/**
 * Why a refresh token could not be used: a retry, whose successor is derived from `nonce`; a reuse;
 * or neither.
 */
export type TokenTrace =
  | { readonly kind: "retried"; readonly nonce: string; readonly user: User }
  | { readonly kind: "reused"; readonly userId: string }
  | { readonly kind: "invalid" };

/**
 * A session is a family of refresh tokens of which the newest can be used. Revoking the session is
 * one write that ends all of them.
 */
export interface SessionStore {
  createSession(session: NewSession): Promise<void>;
  /**
   * Uses the token up and adds its successor to the session. Undefined if it cannot be used. Of
   * several concurrent calls, one succeeds.
   */
  rotateToken(rotation: {
    readonly tokenHash: string;
    readonly successorHash: string;
    readonly nonce: string;
  }): Promise<User | undefined>;
  /**
   * For a token that `rotateToken` refused. If it was used more than `graceMs` ago, this is a
   * reuse: its session is revoked.
   */
  traceToken(tokenHash: string, graceMs: number): Promise<TokenTrace>;
  /** Returns the session's user id; undefined if there was nothing to revoke. */
  revokeSession(tokenHash: string): Promise<string | undefined>;
}

/**
 * After `free` attempts without success, each must wait: `firstDelayMs`, then twice as long each
 * time, at most `maxDelayMs`.
 */
export interface ThrottlePolicy {
  readonly free: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** Without an attempt for this time, the account starts afresh. */
  readonly windowMs: number;
}

export interface ThrottleStore {
  /**
   * Counts an attempt before its password is checked, so that concurrent attempts are bounded too.
   * Returns 0, or the milliseconds until the next attempt is admitted. A refused attempt is not
   * counted, so waiting always helps.
   */
  admitLogin(account: string, policy: ThrottlePolicy): Promise<number>;
  /** Takes back an attempt whose password was not checked. */
  returnAttempt(account: string): Promise<void>;
  /** Records that an attempt succeeded. */
  forgetFailures(account: string): Promise<void>;
}

/** How old rows must be before the sweep deletes them. */
export const EXPIRY = {
  requestsAfterMs: REQUEST_RETENTION_MS,
  /** Far longer than any delay of the throttle. */
  failuresAfterMs: 24 * 60 * 60_000,
};

/** Everything that identity stores. Times are the store's own clock's, never the process's. */
export interface IdentityStore extends UserStore, SessionStore, ThrottleStore, AsyncDisposable {
  /**
   * Deletes at most `limit` expired rows of each kind. Resolves to the number of deleted rows of
   * the kind that had most.
   */
  sweep(limit: number, expiry?: typeof EXPIRY): Promise<number>;
  /** Throws if the store cannot be used. */
  ping(signal: AbortSignal): Promise<void>;
}
