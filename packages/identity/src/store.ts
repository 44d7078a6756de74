import { REQUEST_RETENTION_MS, type RequestRecord, type RequestStore } from "@tercet/service";
import type { User, UserRole } from "./user.ts";

export interface NewUser {
  readonly email: string;
  readonly displayName: string;
  /** A PHC string. */
  readonly passwordHash: string;
  readonly roles: readonly UserRole[];
}

export interface UserStore extends RequestStore {
  /**
   * Creates the user `request.resourceId` and records the request, both or neither. Undefined if
   * the request was recorded before. Throws EMAIL_TAKEN.
   */
  createUser(user: NewUser, request: RequestRecord): Promise<User | undefined>;
  /**
   * Replaces the roles of the user `request.resourceId` and records the request. Undefined if it
   * was recorded before, or there is no such user.
   */
  setRoles(roles: readonly UserRole[], request: RequestRecord): Promise<User | undefined>;
  findUser(id: string): Promise<User | undefined>;
  findCredentials(
    email: string,
  ): Promise<{ readonly user: User; readonly passwordHash: string } | undefined>;
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
