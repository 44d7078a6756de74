import type { Logger } from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { invalidCredentials, tokenReused } from "./errors.ts";
import * as events from "./events.ts";
import { hashRefreshToken, newNonce, newRefreshToken, successorOf } from "./refresh-token.ts";
import type { SessionStore } from "./store.ts";
import type { AccessToken, AccessTokens } from "./tokens.ts";
import type { User } from "./user.ts";

/**
 * How long after a refresh token was used another use counts as a retry after a lost reply, or as a
 * second tab of the same browser.
 */
const GRACE_MS = 10_000;

export interface SessionTokens {
  readonly user: User;
  readonly access: AccessToken;
  readonly refreshToken: string;
}

export interface SessionDeps {
  readonly store: SessionStore;
  readonly tokens: AccessTokens;
  readonly log: Logger;
  /** How long a login lasts without a password. */
  readonly sessionLifetimeMs: number;
}

export async function openSession(
  { store, tokens, sessionLifetimeMs: lifetimeMs }: SessionDeps,
  user: User,
): Promise<SessionTokens> {
  const refreshToken = newRefreshToken();
  const tokenHash = hashRefreshToken(refreshToken);
  await store.createSession({ id: uuidv7(), userId: user.id, tokenHash, lifetimeMs });
  return { user, access: await tokens.forUser(user), refreshToken };
}

/** Throws INVALID_CREDENTIALS, or TOKEN_REUSED, which has revoked the session. */
export async function refresh(
  { store, tokens, log }: SessionDeps,
  presented: string,
): Promise<SessionTokens> {
  const tokenHash = hashRefreshToken(presented);
  const nonce = newNonce();
  const refreshToken = successorOf(presented, nonce);
  const successorHash = hashRefreshToken(refreshToken);
  const user = await store.rotateToken({ tokenHash, successorHash, nonce });
  if (user) return { user, access: await tokens.forUser(user), refreshToken };

  const trace = await store.traceToken(tokenHash, GRACE_MS);
  if (trace.kind === "retried") {
    const successor = successorOf(presented, trace.nonce);
    return { user: trace.user, access: await tokens.forUser(trace.user), refreshToken: successor };
  }
  if (trace.kind === "invalid") throw invalidCredentials();
  events.refreshTokenReused(log, trace.userId);
  throw tokenReused();
}

export async function closeSession({ store, log }: SessionDeps, presented: string): Promise<void> {
  const userId = await store.revokeSession(hashRefreshToken(presented));
  if (userId !== undefined) events.loggedOut(log, userId);
}
