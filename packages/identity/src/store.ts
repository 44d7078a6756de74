import {
  REQUEST_RETENTION_MS,
  type RequestRecord,
  type RequestStore,
  type RevocationList,
} from "@tercet/service";
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
  /** For access tokens: a token with an older version than the user's is revoked. */
  readonly tokenVersion: number;
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
   * Replaces the roles of the user `request.resourceId`, revokes all access tokens, and records the
   * request. Undefined if it was recorded before, there is no such user, or no enabled admin would
   * be left: also not by several calls at once.
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

export interface Session {
  readonly id: string;
  readonly userId: string;
  readonly createTime: Date;
  /** When a refresh token was last issued for it. */
  readonly lastUseTime: Date;
  readonly expireTime: Date;
}

/** What an access token is issued from. */
export interface Grant {
  readonly user: User;
  readonly sessionId: string;
  readonly tokenVersion: number;
}

/**
 * Why a refresh token could not be used: a retry, whose successor is derived from `nonce`; a reuse;
 * or neither.
 */
export type TokenTrace =
  | { readonly kind: "retried"; readonly nonce: string; readonly grant: Grant }
  | { readonly kind: "reused"; readonly userId: string; readonly sessionId: string }
  | { readonly kind: "invalid" };

/**
 * A session is a family of refresh tokens of which the newest can be used. Revoking the session is
 * one statement, which ends all of them and revokes its access tokens.
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
  }): Promise<Grant | undefined>;
  /**
   * For a token that `rotateToken` refused. If it was used more than `graceMs` ago, or its
   * successor was used since, this is a reuse: its session is revoked.
   */
  traceToken(tokenHash: string, graceMs: number): Promise<TokenTrace>;
  /** Revokes the session of this token. Undefined if there was nothing to revoke. */
  revokeSessionOf(tokenHash: string): Promise<Pick<Session, "id" | "userId"> | undefined>;
  /** The user's sessions that have neither ended nor been revoked, newest first. */
  listSessions(page: {
    readonly userId: string;
    readonly limit: number;
    readonly before?: string | undefined;
  }): Promise<Session[]>;
  /** Undefined if the user has no such session. */
  revokeSession(
    session: Pick<Session, "id" | "userId">,
  ): Promise<"revoked" | "was revoked" | undefined>;
  /**
   * Revokes every session of the user if `asking` is not revoked: so that a repeated request does
   * not end a later login. Returns whether it did.
   */
  revokeAllSessions(asking: Pick<Session, "id" | "userId">): Promise<boolean>;
  /**
   * Only if the hash is still `from` and the session is not revoked. Revokes every other session
   * and an open password reset. Returns whether it did.
   */
  changePassword(change: {
    readonly userId: string;
    readonly sessionId: string;
    readonly from: string;
    readonly to: string;
  }): Promise<boolean>;
  /** What is revoked of the access tokens that may still be valid. */
  listRevocations(): Promise<RevocationList>;
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
  /** Takes back an attempt that was no guess. */
  returnAttempt(account: string): Promise<void>;
  /** Forgets the failures of the account, and those of what begins with `account:`. */
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
