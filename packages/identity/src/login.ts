import { RequestError } from "@tercet/service";
import { invalidCredentials, userDisabled } from "./errors.ts";
import * as events from "./events.ts";
import type { IdentityDeps } from "./identity-deps.ts";
import type { Credentials, ThrottlePolicy } from "./store.ts";
import { accountKey, normalizeEmail } from "./user.ts";

/**
 * ASVS 5 section 6.3.1 requires a bound on guessing. This one is 5 attempts, then one after 10, 20
 * and 40 s, and from then on one per minute: fewer than 70 per hour. No account is ever locked: a
 * minute later the next attempt is admitted. The host's limits per client apply first.
 */
const LOGIN_THROTTLE: ThrottlePolicy = {
  free: 5,
  firstDelayMs: 10_000,
  maxDelayMs: 60_000,
  windowMs: 15 * 60_000,
};

/**
 * Returns the user with this address and password. An unknown address takes as long as a wrong
 * password and throws the same. Throws INVALID_CREDENTIALS, USER_DISABLED, RATE_LIMITED,
 * OVERLOADED.
 */
export async function authenticate(
  deps: IdentityDeps,
  credentials: { email: string; password: string },
  signal?: AbortSignal,
): Promise<Pick<Credentials, "user" | "sessionEpoch">> {
  const { store, passwords, log } = deps;
  const account = accountKey(credentials.email);
  await admit(deps, account);
  const known = await store.findCredentials(normalizeEmail(credentials.email));
  const { matches, rehash } = await passwords
    .verify(credentials.password, known?.passwordHash, signal)
    .catch(async (error: unknown) => {
      // Only then no password was checked for certain. An attempt that its caller cancelled counts.
      if (error instanceof RequestError && error.reason === "OVERLOADED")
        await store.returnAttempt(account);
      throw error;
    });
  if (known === undefined || !matches) {
    events.loginFailed(log, known?.user.id);
    throw invalidCredentials();
  }
  await store.forgetFailures(account);
  if (rehash !== undefined)
    await store.replacePasswordHash(known.user.id, known.passwordHash, rehash);
  if (known.user.disableTime !== undefined) {
    events.loginFailed(log, known.user.id);
    throw userDisabled();
  }
  return known;
}

/** Runs before the password is hashed, so that guessing does not even cost the time. */
async function admit({ store, log }: IdentityDeps, account: string): Promise<void> {
  const waitMs = await store.admitLogin(account, LOGIN_THROTTLE);
  if (waitMs === 0) return;
  events.loginThrottled(log, waitMs);
  throw new RequestError(
    "RATE_LIMITED",
    "too many failed logins for this account; try again later",
    {},
    { retryAfterMs: waitMs },
  );
}
