import type { RequestRecord } from "@tercet/service";
import type { User, UserRole } from "./user.ts";

export interface NewUser {
  readonly email: string;
  readonly displayName: string;
  /** A PHC string. */
  readonly passwordHash: string;
  readonly roles: readonly UserRole[];
}

export interface UserStore {
  /**
   * Creates the user `request.resourceId` and records the request, both or neither. Undefined when
   * the request was recorded before. Throws EMAIL_TAKEN.
   */
  createUser(user: NewUser, request: RequestRecord): Promise<User | undefined>;
  /**
   * Replaces the roles of the user `request.resourceId` and records the request. Undefined when it
   * was recorded before, or there is no such user.
   */
  setRoles(roles: readonly UserRole[], request: RequestRecord): Promise<User | undefined>;
  findRequest(caller: string, requestId: string): Promise<RequestRecord | undefined>;
  findUser(id: string): Promise<User | undefined>;
  findCredentials(
    email: string,
  ): Promise<{ readonly user: User; readonly passwordHash: string } | undefined>;
  /** Only if it is still `from`. */
  replacePasswordHash(userId: string, from: string, to: string): Promise<void>;
  /**
   * Newest first; `before` is the id that ended the page before; only addresses that begin with
   * `emailPrefix`.
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
  /** Milliseconds. No rotation extends it (RFC 9700 section 4.14.2 wants refresh tokens to end). */
  readonly lifetime: number;
}

/**
 * What became of a refresh token that could not be used: a retry whose successor is derived from
 * `nonce`, a reuse, or neither.
 */
export type TokenTrace =
  | { readonly kind: "retried"; readonly nonce: string; readonly user: User }
  | { readonly kind: "reused"; readonly userId: string }
  | { readonly kind: "invalid" };

/**
 * A session is a family of refresh tokens of which the newest can be used. A token is good while
 * its session is: revoking the session is one write.
 */
export interface SessionStore {
  createSession(session: NewSession): Promise<void>;
  /**
   * Uses the token up and adds its successor to the session. Undefined when it cannot be used. Of
   * several callers at once, one succeeds.
   */
  rotateToken(rotation: {
    readonly tokenHash: string;
    readonly successorHash: string;
    readonly nonce: string;
  }): Promise<User | undefined>;
  /**
   * For a token that `rotateToken` refused. One used longer than `grace` milliseconds ago is
   * reused, and its session is revoked.
   */
  traceToken(tokenHash: string, grace: number): Promise<TokenTrace>;
  /** The user whose session it was; undefined when there was none to revoke. */
  revokeSession(tokenHash: string): Promise<string | undefined>;
}

/**
 * After `free` attempts without success, each must wait: `firstDelay`, then twice as long each
 * time, at most `maxDelay`. All in milliseconds.
 */
export interface ThrottlePolicy {
  readonly free: number;
  readonly firstDelay: number;
  readonly maxDelay: number;
  /** Quiet for so long, and the account starts afresh. */
  readonly window: number;
}

export interface ThrottleStore {
  /**
   * Counts an attempt before its password is looked at, so that attempts made at once are bounded
   * too. Answers 0, or the milliseconds until the next attempt is admitted; a refused attempt is
   * not counted, so waiting always helps.
   */
  admitLogin(account: string, policy: ThrottlePolicy): Promise<number>;
  /** Takes back an attempt whose password was never looked at. */
  returnAttempt(account: string): Promise<void>;
  /** The attempt succeeded. */
  forgetFailures(account: string): Promise<void>;
}

/**
 * How many rows to delete of each kind at most, and how old, in milliseconds, requests and failures
 * must be.
 */
export interface Sweep {
  readonly batch: number;
  readonly requestAge: number;
  readonly failureAge: number;
}

/** Everything identity keeps. Times are the store's own clock's, never the process's. */
export interface IdentityStore extends UserStore, SessionStore, ThrottleStore, AsyncDisposable {
  /** Deletes a batch of what is of no more use, and answers whether there may be more. */
  sweep(sweep: Sweep): Promise<boolean>;
  /** Throws when the store cannot be used. */
  ping(signal: AbortSignal): Promise<void>;
}
