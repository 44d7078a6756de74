import { RequestError } from "@tercet/service";
import { invalidCredentials } from "./errors.ts";
import type { IdentityEvents } from "./events.ts";
import type { Passwords } from "./password.ts";
import type { ThrottlePolicy, ThrottleStore, UserStore } from "./store.ts";
import { accountKey, normalizeEmail, type User } from "./user.ts";

/**
 * ASVS 5 section 6.3.1 asks for a bound on guessing; this one is 5 attempts, then one after 10, 20,
 * 40 s and from then on every minute: below 70 in an hour. No account is ever locked: who waits a
 * minute may try again. The host's limits per client stand in front of it.
 */
const loginThrottle: ThrottlePolicy = {
  free: 5,
  firstDelay: 10_000,
  maxDelay: 60_000,
  window: 15 * 60_000,
};

export interface LoginDependencies {
  readonly store: UserStore & ThrottleStore;
  readonly passwords: Passwords;
  readonly events: IdentityEvents;
}

/**
 * The user with this address and password. An unknown address does the same work and gives the same
 * answer as a wrong password. Throws INVALID_CREDENTIALS, RATE_LIMITED, OVERLOADED.
 */
export async function authenticate(
  { store, passwords, events }: LoginDependencies,
  credentials: { email: string; password: string },
  signal?: AbortSignal,
): Promise<User> {
  const account = accountKey(credentials.email);
  await admit(store, events, account);
  const known = await store.findCredentials(normalizeEmail(credentials.email));
  const { matches, rehash } = await passwords
    .verify(credentials.password, known?.passwordHash, signal)
    .catch(async (error: unknown) => {
      // Only then is it certain that no guess was looked at; one that its caller gave up on counts.
      if (error instanceof RequestError && error.reason === "OVERLOADED")
        await store.returnAttempt(account);
      throw error;
    });
  if (known === undefined || !matches) {
    events.loginFailed(known?.user.id);
    throw invalidCredentials();
  }
  await store.forgetFailures(account);
  if (rehash !== undefined)
    await store.replacePasswordHash(known.user.id, known.passwordHash, rehash);
  return known.user;
}

/** Before the password is hashed, so that guessing does not even cost us the time. */
async function admit(store: ThrottleStore, events: IdentityEvents, account: string): Promise<void> {
  const wait = await store.admitLogin(account, loginThrottle);
  if (wait === 0) return;
  events.loginThrottled(wait);
  throw new RequestError(
    "RATE_LIMITED",
    "too many failed logins for this account; try again later",
    {},
    { retryAfterMs: wait },
  );
}
