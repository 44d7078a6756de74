import { v7 as uuidv7 } from "uuid";
import { z } from "zod";
import { IdentityError } from "./errors.ts";
import type { Passwords } from "./password.ts";
import type { UserStore } from "./store.ts";
import { accountKey, normalizeEmail, userRoles } from "./user.ts";

/** A user that exists from the first start on, for development. */
export const seedUser = z.object({
  email: z.email(),
  password: z.string().min(8).max(128),
  displayName: z.string().min(1).max(100),
  roles: z.array(z.enum(userRoles)).min(1),
});
export type SeedUser = z.output<typeof seedUser>;

/**
 * Creates those who do not exist; changes nothing about those who do. Replicas may do it at once.
 */
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
