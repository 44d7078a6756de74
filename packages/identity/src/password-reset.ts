import type { ResetPasswordRequest } from "@tercet/gen/identity/v1/identity";
import { notFound } from "@tercet/service";
import { invalidCredentials } from "./errors.ts";
import * as events from "./events.ts";
import type { IdentityDeps } from "./identity-deps.ts";
import { hashRefreshToken, newRandom } from "./refresh-token.ts";
import { accountKey, type User } from "./user.ts";

/** Long enough to hand the token over, short enough not to be found later. */
const LIFETIME_MS = 60 * 60_000;

/** Returns a token and what is stored of it: like a refresh token, 256 random bits and a hash. */
export function newPasswordReset() {
  const token = newRandom();
  return { token, reset: { tokenHash: hashRefreshToken(token), lifetimeMs: LIFETIME_MS } };
}

/**
 * Opens a reset for an administrator to hand over: no administrator learns or chooses a password
 * (ASVS 5 section 6.4.6). Throws NOT_FOUND.
 */
export async function issuePasswordReset(
  { store }: Pick<IdentityDeps, "store">,
  userId: string,
): Promise<{ readonly resetToken: string; readonly expireTime: Date }> {
  const { token, reset } = newPasswordReset();
  const expireTime = await store.openPasswordReset(userId, reset);
  if (expireTime === undefined) throw notFound("user");
  return { resetToken: token, expireTime };
}

/** Throws INVALID_CREDENTIALS, OVERLOADED. */
export async function resetPassword(
  { store, passwords, log }: IdentityDeps,
  { resetToken, newPassword }: ResetPasswordRequest,
  signal?: AbortSignal,
): Promise<User> {
  const tokenHash = hashRefreshToken(resetToken);
  // Before a core is spent on the password's hash: this method needs no login.
  if ((await store.findPasswordReset(tokenHash)) === undefined) throw invalidCredentials();
  const user = await passwords.admit(async () =>
    store.resetPassword(tokenHash, await passwords.hash(newPassword, signal)),
  );
  if (user === undefined) throw invalidCredentials();
  await store.forgetFailures(accountKey(user.email));
  events.passwordReset(log, user.id);
  return user;
}
