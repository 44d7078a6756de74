import { beforeAll, expect, test } from "vitest";
import { memoryStore } from "./memory-store.ts";
import { createPasswords, type Passwords } from "./password.ts";
import { seedUsers } from "./seed.ts";

const seeds = [
  {
    email: "Alice@example.com",
    password: "alice's password",
    displayName: "Alice",
    roles: ["customer" as const],
  },
  {
    email: "admin@example.com",
    password: "admin's password",
    displayName: "Admin",
    roles: ["admin" as const, "operator" as const],
  },
];
let passwords: Passwords;
beforeAll(async () => {
  passwords = await createPasswords({ queue: 10 });
});

test("the first start creates the seed users with their roles and passwords", async () => {
  const store = memoryStore();
  await seedUsers(store, passwords, seeds);
  const admin = await store.findCredentials("admin@example.com");
  expect(admin?.user).toMatchObject({ displayName: "Admin", roles: ["admin", "operator"] });
  expect(await passwords.verify("admin's password", admin?.passwordHash)).toEqual({
    matches: true,
  });
  expect(await store.findCredentials("alice@example.com")).toBeDefined();
});

test("another start changes nothing", async () => {
  const store = memoryStore();
  await seedUsers(store, passwords, seeds);
  const before = await store.findCredentials("admin@example.com");
  await seedUsers(
    store,
    passwords,
    seeds.map((seed) => ({ ...seed, password: "another password", roles: ["customer" as const] })),
  );
  expect(await store.findCredentials("admin@example.com")).toEqual(before);
});

test("replicas that start concurrently agree", async () => {
  const store = memoryStore();
  await Promise.all([seedUsers(store, passwords, seeds), seedUsers(store, passwords, seeds)]);
  expect(await store.listUsers({ limit: 10, emailPrefix: "" })).toHaveLength(2);
});
