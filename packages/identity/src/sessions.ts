import { createHash } from "node:crypto";
import type { ChangePasswordRequest } from "@tercet/gen/identity/v1/identity";
import { notFound, type Principal } from "@tercet/service";
import { validate as isUuid, v7 as uuidv7 } from "uuid";
import { newDeviceToken } from "./device.ts";
import { invalidCredentials, tokenReused } from "./errors.ts";
import * as events from "./events.ts";
import type { IdentityDeps } from "./identity-deps.ts";
import { CALLER_THROTTLE, rateLimited } from "./login.ts";
import { hashRefreshToken, newRandom, successorOf } from "./refresh-token.ts";
import type { Credentials, Grant, Session } from "./store.ts";
import type { AccessToken } from "./tokens.ts";
import { accountKey, type User } from "./user.ts";

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
  { user, sessionEpoch: epoch, tokenVersion }: Omit<Credentials, "passwordHash">,
): Promise<SessionTokens> {
  const refreshToken = newRandom();
  const tokenHash = hashRefreshToken(refreshToken);
  const id = uuidv7();
  await store.createSession({ id, userId: user.id, epoch, tokenHash, lifetimeMs });
  return {
    user,
    access: await tokens.forUser({ user, sessionId: id, tokenVersion }),
    refreshToken,
  };
}

/** Throws INVALID_CREDENTIALS, RATE_LIMITED, or TOKEN_REUSED, which has revoked the session. */
export async function refresh(
  { store, tokens, limits, log }: IdentityDeps,
  presented: string,
): Promise<SessionTokens> {
  const tokenHash = hashRefreshToken(presented);
  const nonce = newRandom();
  /** One used token has one successor, and one access token with it: by its `jti`. */
  const issue = async (grant: Grant, successor: string): Promise<SessionTokens> => {
    const jti = createHash("sha256").update(`access token of ${successor}`).digest("base64url");
    return {
      user: grant.user,
      access: await tokens.forUser(grant, jti),
      refreshToken: successor,
    };
  };
  const successor = successorOf(presented, nonce);
  const successorHash = hashRefreshToken(successor);
  const grant = await store.rotateToken({ tokenHash, successorHash, nonce });
  if (grant) return await issue(grant, successor);

  const trace = await store.traceToken(tokenHash, GRACE_MS);
  if (trace.kind === "retried") {
    const { waitMs } = await limits.refreshRetries.count(tokenHash);
    if (waitMs > 0) throw rateLimited("too many uses of one refresh token", waitMs);
    return await issue(trace.grant, successorOf(presented, trace.nonce));
  }
  if (trace.kind === "invalid") throw invalidCredentials();
  events.refreshTokenReused(log, trace);
  throw tokenReused();
}

export async function closeSession({ store, log }: IdentityDeps, presented: string): Promise<void> {
  const session = await store.revokeSessionOf(hashRefreshToken(presented));
  if (session !== undefined) events.loggedOut(log, session);
}

/** Revokes one session of the caller. Throws NOT_FOUND. */
export async function revokeSession(
  { store, log }: IdentityDeps,
  caller: Principal,
  id: string,
): Promise<void> {
  const { userId } = sessionOf(caller);
  const outcome = await store.revokeSession({ id, userId });
  if (outcome === undefined) throw notFound("session");
  if (outcome === "revoked") events.sessionRevoked(log, { id, userId });
}

/** Revokes every session of the caller, also the one that asks for it. Throws NOT_FOUND. */
export async function revokeAllSessions(
  { store, log }: IdentityDeps,
  caller: Principal,
): Promise<void> {
  const session = sessionOf(caller);
  if (await store.revokeAllSessions(session)) events.allSessionsRevoked(log, session.userId);
}

/**
 * Returns the device token that the new password needs. Throws NOT_FOUND, INVALID_CREDENTIALS,
 * RATE_LIMITED, OVERLOADED.
 */
export async function changePassword(
  { store, passwords, log }: IdentityDeps,
  caller: Principal,
  { currentPassword, newPassword }: ChangePasswordRequest,
  signal?: AbortSignal,
): Promise<string> {
  const { id: sessionId, userId } = sessionOf(caller);
  return await passwords.admit(async () => {
    const user = await store.findUser(userId);
    const known = user && (await store.findCredentials(user.email));
    if (known === undefined) throw notFound("user");
    // Who has an access token must not be able to guess the password with it.
    const guesser = `${accountKey(known.user.email)}:${hashRefreshToken(sessionId)}`;
    const waitMs = await store.admitLogin(guesser, CALLER_THROTTLE);
    if (waitMs > 0) throw rateLimited("too many wrong passwords", waitMs);
    const { matches } = await passwords.verify(currentPassword, known.passwordHash, signal);
    if (!matches) {
      events.passwordChangeFailed(log, userId);
      throw invalidCredentials();
    }
    const to = await passwords.hash(newPassword, signal);
    const change = { userId, sessionId, from: known.passwordHash, to };
    if (!(await store.changePassword(change))) throw invalidCredentials();
    await store.forgetFailures(guesser);
    events.passwordChanged(log, { id: sessionId, userId });
    return newDeviceToken({ ...known, passwordHash: to });
  });
}

/** The session of the caller's token: a service has none. Throws NOT_FOUND. */
export function sessionOf({ subject, sessionId }: Principal): Pick<Session, "id" | "userId"> {
  if (sessionId === undefined || !isUuid(sessionId) || !isUuid(subject)) throw notFound("session");
  return { id: sessionId, userId: subject };
}
