import { createHash } from "node:crypto";
import { networkOf, RequestError } from "@tercet/service";
import { deviceOf } from "./device.ts";
import { invalidCredentials, userDisabled } from "./errors.ts";
import * as events from "./events.ts";
import type { IdentityDeps } from "./identity-deps.ts";
import type { Credentials, ThrottlePolicy } from "./store.ts";
import { accountKey, normalizeEmail } from "./user.ts";

/**
 * Of one account from one address, and of one account from one known device: 5 attempts, then one
 * after 10, 20 and 40 s, and from then on one per minute. No account is ever locked: a minute later
 * the next attempt is admitted.
 */
export const CALLER_THROTTLE: ThrottlePolicy = {
  free: 5,
  firstDelayMs: 10_000,
  maxDelayMs: 60_000,
  windowMs: 15 * 60_000,
};

/**
 * Of one account from all addresses together, without its known devices: 40 attempts, then one per
 * minute. That is about 100 in the first hour, the most that ASVS 5 (6.3.1) allows. A single
 * address does not reach it.
 */
const ACCOUNT_THROTTLE: ThrottlePolicy = {
  free: 40,
  firstDelayMs: 60_000,
  maxDelayMs: 60_000,
  windowMs: 60 * 60_000,
};

export interface LoginAttempt {
  readonly email: string;
  readonly password: string;
  /** Empty, or of an earlier login. */
  readonly deviceToken: string;
  readonly address: string;
}

/**
 * Returns the user with this address and password. An unknown address takes as long as a wrong
 * password and throws the same. In this order: what this process has counted of the caller's
 * address, the place in the queue for a core, and only then the database. Throws
 * INVALID_CREDENTIALS, USER_DISABLED, RATE_LIMITED, OVERLOADED.
 */
export async function authenticate(
  deps: IdentityDeps,
  login: LoginAttempt,
  signal?: AbortSignal,
): Promise<Credentials> {
  const { limits, log, passwords } = deps;
  const attempt = await limits.logins.count(networkOf(login.address));
  const refuse = () => {
    const limit = attempt.limit === "all" ? "all" : "address";
    events.loginThrottled(log, login.address, limit, attempt.waitMs);
    return rateLimited(TOO_MANY, attempt.waitMs);
  };
  // Whether the device is known shows only when the account is read.
  if (attempt.waitMs > 0 && login.deviceToken === "") throw refuse();
  try {
    const known = await passwords.admit(async () => {
      const credentials = await deps.store.findCredentials(normalizeEmail(login.email));
      const device = deviceOf(login.deviceToken, credentials);
      if (attempt.waitMs > 0 && device === undefined) throw refuse();
      return await checkPassword(deps, login, credentials, { device, signal });
    });
    await attempt.takeBack();
    return known;
  } catch (error) {
    if (error instanceof RequestError && error.reason === "OVERLOADED") await attempt.takeBack();
    throw error;
  }
}

async function checkPassword(
  deps: IdentityDeps,
  { email, password, address }: LoginAttempt,
  known: Credentials | undefined,
  { device, signal }: { device: string | undefined; signal: AbortSignal | undefined },
): Promise<Credentials> {
  const { store, passwords, log } = deps;
  const account = accountKey(email);
  const caller = `${account}:${device ?? hashOf(networkOf(address))}`;
  await admit(deps, { address, caller, account: device === undefined ? account : undefined });
  const { matches, rehash } = await passwords.verify(password, known?.passwordHash, signal);
  if (known === undefined || !matches) {
    events.loginFailed(log, known?.user.id, address);
    throw invalidCredentials();
  }
  await store.forgetFailures(caller);
  // The failures of others are still guesses.
  if (device === undefined) await store.returnAttempt(account);
  if (rehash !== undefined)
    await store.replacePasswordHash(known.user.id, known.passwordHash, rehash);
  if (known.user.disableTime !== undefined) {
    events.loginFailed(log, known.user.id, address);
    throw userDisabled();
  }
  events.loggedIn(log, known.user.id, device !== undefined);
  return rehash === undefined ? known : { ...known, passwordHash: rehash };
}

/** Runs before the password is hashed, so that guessing does not even cost the time. */
async function admit(
  { store, log }: IdentityDeps,
  {
    address,
    caller,
    account,
  }: {
    readonly address: string;
    readonly caller: string;
    /** Undefined for a known device. */
    readonly account: string | undefined;
  },
): Promise<void> {
  const callerWaitMs = await store.admitLogin(caller, CALLER_THROTTLE);
  if (callerWaitMs > 0) {
    events.loginThrottled(log, address, "caller", callerWaitMs);
    throw rateLimited(TOO_MANY, callerWaitMs);
  }
  const waitMs = account === undefined ? 0 : await store.admitLogin(account, ACCOUNT_THROTTLE);
  if (waitMs === 0) return;
  await store.returnAttempt(caller);
  events.loginThrottled(log, address, "account", waitMs);
  throw rateLimited(TOO_MANY, waitMs);
}

/** One for every limit, so that it does not reveal which accounts are under attack. */
const TOO_MANY = "too many failed logins";

export const rateLimited = (what: string, retryAfterMs: number): RequestError =>
  new RequestError("RATE_LIMITED", `${what}; try again later`, {}, { retryAfterMs });

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");
