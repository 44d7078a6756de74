import { create } from "@bufbuild/protobuf";
import {
  type RegisterRequest,
  RegisterRequestSchema,
  type SetRolesRequest,
  SetRolesRequestSchema,
} from "@tercet/gen/identity/v1/identity";
import {
  assertSameRequest,
  fingerprint,
  notFound,
  type RequestRecord,
  requestIdReused,
} from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { toRole } from "./message.ts";
import type { Passwords } from "./password.ts";
import type { UserStore } from "./store.ts";
import { accountKey, normalizeEmail, type User } from "./user.ts";

export interface Outcome {
  readonly user: User;
  /** The request was seen before; the user is as it now is. */
  readonly replayed: boolean;
}

/** Creates a customer. Throws EMAIL_TAKEN, REQUEST_ID_REUSED, OVERLOADED. */
export async function register(
  { users, passwords }: { users: UserStore; passwords: Passwords },
  request: RegisterRequest,
  signal?: AbortSignal,
): Promise<Outcome> {
  const { displayName, password } = request;
  const email = normalizeEmail(request.email);
  const record: RequestRecord = {
    // Nobody is logged in yet: the address is the only name this caller has.
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
  const passwordHash = await passwords.hash(password, signal);
  const user = await users.createUser(
    { email, displayName, passwordHash, roles: ["customer"] },
    record,
  );
  return user
    ? { user, replayed: false }
    : await replayRegister(users, passwords, record, { email, password }, signal);
}

/**
 * The password is part of the request although no fingerprint has it: the one stored with the
 * account tells whether it is the same.
 */
async function replayRegister(
  users: UserStore,
  passwords: Passwords,
  record: RequestRecord,
  { email, password }: { email: string; password: string },
  signal?: AbortSignal,
): Promise<Outcome> {
  const outcome = await replay(users, record);
  const stored = await users.findCredentials(email);
  const { matches } = await passwords.verify(password, stored?.passwordHash, signal);
  if (!matches) throw requestIdReused();
  return outcome;
}

/** Replaces a user's roles. Throws NOT_FOUND, REQUEST_ID_REUSED. */
export async function setRoles(
  users: UserStore,
  caller: string,
  request: SetRolesRequest,
): Promise<Outcome> {
  const record: RequestRecord = {
    caller,
    requestId: request.requestId,
    method: "SetRoles",
    fingerprint: fingerprint(
      SetRolesRequestSchema,
      create(SetRolesRequestSchema, { userId: request.userId, roles: request.roles }),
    ),
    resourceId: request.userId,
  };
  const user = await users.setRoles(request.roles.map(toRole), record);
  return user ? { user, replayed: false } : await replay(users, record);
}

async function replay(users: UserStore, record: RequestRecord): Promise<Outcome> {
  const seen = await users.findRequest(record.caller, record.requestId);
  if (seen === undefined) throw notFound("user");
  assertSameRequest(seen, record);
  const user = await users.findUser(seen.resourceId);
  if (user === undefined) throw notFound("user");
  return { user, replayed: true };
}
