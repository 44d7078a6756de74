import { v7 as uuidv7 } from "uuid";
import { invalidCredentials, tokenReused } from "./errors.ts";
import * as events from "./events.ts";
import type { IdentityDeps } from "./identity-deps.ts";
import { hashRefreshToken, newRandom, successorOf } from "./refresh-token.ts";
import type { Credentials } from "./store.ts";
import type { AccessToken } from "./tokens.ts";
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

export async function openSession(
  { store, tokens, sessionLifetimeMs: lifetimeMs }: IdentityDeps,
  { user, sessionEpoch: epoch }: Pick<Credentials, "user" | "sessionEpoch">,
): Promise<SessionTokens> {
  const refreshToken = newRandom();
  const tokenHash = hashRefreshToken(refreshToken);
  await store.createSession({ id: uuidv7(), userId: user.id, epoch, tokenHash, lifetimeMs });
  return { user, access: await tokens.forUser(user), refreshToken };
}

/** Throws INVALID_CREDENTIALS, or TOKEN_REUSED, which has revoked the session. */
export async function refresh(
  { store, tokens, log }: IdentityDeps,
  presented: string,
): Promise<SessionTokens> {
  const tokenHash = hashRefreshToken(presented);
  const nonce = newRandom();
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

export async function closeSession({ store, log }: IdentityDeps, presented: string): Promise<void> {
  const userId = await store.revokeSession(hashRefreshToken(presented));
  if (userId !== undefined) events.loggedOut(log, userId);
}
