import { create } from "@bufbuild/protobuf";
import { type RegisterRequest, RegisterRequestSchema } from "@tercet/gen/identity/v1/identity";
import {
  findReplay,
  fingerprint,
  networkOf,
  notFound,
  once,
  type RequestRecord,
  requestIdReused,
} from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { emailTaken, lastAdmin } from "./errors.ts";
import * as events from "./events.ts";
import type { IdentityDeps } from "./identity-deps.ts";
import { rateLimited } from "./login.ts";
import type { UserStore } from "./store.ts";
import { accountKey, normalizeEmail, type User } from "./user.ts";

export interface Outcome {
  /** In its current state. */
  readonly user: User;
  /** The same request was carried out before. */
  readonly replayed: boolean;
}

/**
 * Creates a customer, once. A taken address is refused before a core is spent on a hash. Throws
 * EMAIL_TAKEN, REQUEST_ID_REUSED, RATE_LIMITED, OVERLOADED.
 */
export async function register(
  deps: Pick<IdentityDeps, "store" | "passwords" | "limits" | "log">,
  request: RegisterRequest,
  address: string,
  signal?: AbortSignal,
): Promise<Outcome> {
  const attempt = await deps.limits.registrations.count(networkOf(address));
  if (attempt.waitMs > 0) {
    const limit = attempt.limit === "all" ? "all" : "address";
    events.registrationThrottled(deps.log, address, limit, attempt.waitMs);
    throw rateLimited("too many registrations", attempt.waitMs);
  }
  return await deps.passwords.admit(() => createAccount(deps, request, signal));
}

async function createAccount(
  { store, passwords }: Pick<IdentityDeps, "store" | "passwords">,
  request: RegisterRequest,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const { displayName, password } = request;
  const email = normalizeEmail(request.email);
  const record: RequestRecord = {
    // No one is logged in yet: the address is the only name of this caller.
    caller: accountKey(email),
    requestId: request.requestId,
    method: "Register",
    // Without the password: a fast hash of it would be far cheaper to search than the argon2 one.
    fingerprint: fingerprint(
      RegisterRequestSchema,
      create(RegisterRequestSchema, { email, displayName }),
    ),
    resourceId: uuidv7(),
  };
  // In this order: where the account is there, so is the request that made it.
  const isTaken = (await store.findCredentials(email)) !== undefined;
  if (isTaken && (await findReplay(store, record)) === undefined) throw emailTaken();
  const passwordHash = await passwords.hash(password, signal);
  const newUser = { email, displayName, passwordHash, roles: ["customer"] } as const;
  const outcome = await changeOnce(store, record, () => store.createUser(newUser, record));
  if (outcome.user.id === record.resourceId) return outcome;
  // The password is part of the request but not of its fingerprint: the account's hash decides
  // whether the request is the same.
  const stored = await store.findCredentials(email);
  const { matches } = await passwords.verify(password, stored?.passwordHash, signal);
  if (!matches) throw requestIdReused();
  return outcome;
}

/**
 * Carries out an administrator's change of the user `record.resourceId`. Throws NOT_FOUND,
 * LAST_ADMIN, REQUEST_ID_REUSED.
 */
export async function changeOnce(
  store: UserStore,
  record: RequestRecord,
  change: () => Promise<User | undefined>,
): Promise<Outcome> {
  const result = await once(store, record, async () => (await change()) !== undefined);
  const unchanged = result.kind === "unchanged";
  const user = await store.findUser(unchanged ? record.resourceId : result.resourceId);
  if (user === undefined) throw notFound("user");
  // The only reason for which a store leaves an existing user as it is.
  if (unchanged) throw lastAdmin();
  return { user, replayed: result.kind === "replayed" };
}
