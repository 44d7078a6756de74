import { v7 as uuidv7 } from "uuid";
import { z } from "zod";
import { IdentityError } from "./errors.ts";
import type { Passwords } from "./password.ts";
import type { UserStore } from "./store.ts";
import { accountKey, normalizeEmail, USER_ROLES } from "./user.ts";

/** A user created at the first start, for development. */
export const seedUser = z.object({
  email: z.email(),
  password: z.string().min(8).max(128),
  displayName: z.string().min(1).max(100),
  roles: z.array(z.enum(USER_ROLES)).min(1),
});
export type SeedUser = z.output<typeof seedUser>;

/** Creates the users that do not exist and changes no others. Replicas may run it concurrently. */
export async function seedUsers(
  users: UserStore,
  passwords: Passwords,
  seeds: readonly SeedUser[],
): Promise<void> {
  for (const seed of seeds) {
    const email = normalizeEmail(seed.email);
    if (await users.findCredentials(email)) continue;
    await createSeed(users, { ...seed, email, passwordHash: await passwords.hash(seed.password) });
  }
}

async function createSeed(
  users: UserStore,
  seed: SeedUser & { passwordHash: string },
): Promise<void> {
  const { email, displayName, passwordHash, roles } = seed;
  const request = {
    caller: accountKey(email),
    requestId: uuidv7(),
    method: "Seed",
    fingerprint: "",
    resourceId: uuidv7(),
  };
  try {
    await users.createUser({ email, displayName, passwordHash, roles }, request);
  } catch (error) {
    if (!(error instanceof IdentityError) || error.reason !== "EMAIL_TAKEN") throw error;
  }
}
