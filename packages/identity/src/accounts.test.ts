import { create } from "@bufbuild/protobuf";
import { RegisterRequestSchema } from "@tercet/gen/identity/v1/identity";
import { expect, test } from "vitest";
import { register } from "./accounts.ts";
import { attemptLimits } from "./attempt-limits.ts";
import { capturedLog } from "./captured-log.testing.ts";
import { memoryStore } from "./memory-store.ts";
import { createPasswords } from "./password.ts";

test("a copy of a request that is carried out between two reads is a replay", async () => {
  const unlimited = attemptLimits({ perKey: 1_000, inAll: 1_000, windowMs: 60_000 });
  const store = memoryStore();
  const deps = {
    store,
    passwords: await createPasswords({ queue: 10 }),
    limits: { logins: unlimited, registrations: unlimited, refreshRetries: unlimited },
    log: capturedLog().log,
  };
  const request = create(RegisterRequestSchema, {
    email: "ada@example.com",
    password: "correct horse battery",
    displayName: "Ada",
    requestId: crypto.randomUUID(),
  });
  const carryOut = () => register(deps, request, "127.0.0.1");
  let first: ReturnType<typeof carryOut> | undefined;
  /** Reads, and lets the other copy be carried out after the first read. */
  const overtaken =
    <Args extends unknown[], Found>(read: (...args: Args) => Promise<Found>) =>
    async (...args: Args): Promise<Found> => {
      const found = await read(...args);
      first ??= carryOut();
      await first;
      return found;
    };
  const slow = {
    ...store,
    findRequest: overtaken(store.findRequest),
    findCredentials: overtaken(store.findCredentials),
  };
  const second = await register({ ...deps, store: slow }, request, "127.0.0.1");
  expect(second).toEqual({ user: (await first)?.user, replayed: true });
});
