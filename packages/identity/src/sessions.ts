import { v7 as uuidv7 } from "uuid";
import { invalidCredentials, tokenReused } from "./errors.ts";
import type { IdentityEvents } from "./events.ts";
import { hashRefreshToken, newNonce, newRefreshToken, successorOf } from "./refresh-token.ts";
import type { SessionStore } from "./store.ts";
import type { AccessToken, AccessTokens } from "./tokens.ts";
import type { User } from "./user.ts";

/**
 * How long after a refresh token's use its use counts as a retry after a lost reply, or as a second
 * tab of one browser: milliseconds.
 */
const GRACE = 10_000;

export interface SessionTokens {
  readonly user: User;
  readonly access: AccessToken;
  readonly refreshToken: string;
}

export interface SessionDependencies {
  readonly store: SessionStore;
  readonly tokens: AccessTokens;
  readonly events: IdentityEvents;
}

/** `lifetime` in milliseconds. */
export async function openSession(
  { store, tokens }: Omit<SessionDependencies, "events">,
  user: User,
  lifetime: number,
): Promise<SessionTokens> {
  const refreshToken = newRefreshToken();
  await store.createSession({
    id: uuidv7(),
    userId: user.id,
    tokenHash: hashRefreshToken(refreshToken),
    lifetime,
  });
  return { user, access: await tokens.forUser(user), refreshToken };
}

/** Throws INVALID_CREDENTIALS, or TOKEN_REUSED when the session has just been revoked for it. */
export async function refresh(
  { store, tokens, events }: SessionDependencies,
  presented: string,
): Promise<SessionTokens> {
  const tokenHash = hashRefreshToken(presented);
  const nonce = newNonce();
  const refreshToken = successorOf(presented, nonce);
  const user = await store.rotateToken({
    tokenHash,
    successorHash: hashRefreshToken(refreshToken),
    nonce,
  });
  if (user) return { user, access: await tokens.forUser(user), refreshToken };

  const trace = await store.traceToken(tokenHash, GRACE);
  if (trace.kind === "retried") {
    return {
      user: trace.user,
      access: await tokens.forUser(trace.user),
      refreshToken: successorOf(presented, trace.nonce),
    };
  }
  if (trace.kind === "invalid") throw invalidCredentials();
  events.refreshTokenReused(trace.userId);
  throw tokenReused();
}

export async function closeSession(
  { store, events }: Omit<SessionDependencies, "tokens">,
  presented: string,
): Promise<void> {
  const userId = await store.revokeSession(hashRefreshToken(presented));
  if (userId !== undefined) events.loggedOut(userId);
}
