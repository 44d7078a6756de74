import { randomUUID } from "node:crypto";
import type { RequestRecord } from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashRefreshToken } from "./refresh-token.ts";
import type { IdentityStore, ThrottlePolicy } from "./store.ts";
import type { User } from "./user.ts";

const HOUR = 3_600_000;

/**
 * What every store must do. Times are the store's own, so expiry is tested with lifetimes and
 * graces of zero.
 */
export function storeContract(open: () => Promise<IdentityStore>): void {
  let store: IdentityStore;
  beforeAll(async () => {
    store = await open();
  });
  afterAll(() => store[Symbol.asyncDispose]());

  const newRequest = (record: Partial<RequestRecord> = {}): RequestRecord => ({
    caller: randomUUID(),
    requestId: randomUUID(),
    method: "Register",
    fingerprint: "f",
    resourceId: uuidv7(),
    ...record,
  });
  const newUser = (email = `${randomUUID()}@example.com`) =>
    ({ email, displayName: "Ada", passwordHash: "$argon2id$1", roles: ["customer"] }) as const;
  const createUser = async (email?: string): Promise<User> => {
    const user = await store.createUser(newUser(email), newRequest());
    if (user === undefined) throw new Error("not created");
    return user;
  };

  describe("users", () => {
    test("a created user is found by id, and with the hash by email", async () => {
      const user = await createUser();
      expect(user).toMatchObject({ displayName: "Ada", roles: ["customer"] });
      expect(Math.abs(user.createTime.getTime() - Date.now())).toBeLessThan(HOUR);
      expect(await store.findUser(user.id)).toEqual(user);
      expect(await store.findCredentials(user.email)).toEqual({
        user,
        passwordHash: "$argon2id$1",
      });
      expect(user).not.toHaveProperty("passwordHash");
    });

    test("nobody is found by what nobody has", async () => {
      expect(await store.findUser(uuidv7())).toBeUndefined();
      expect(await store.findCredentials("nobody@example.com")).toBeUndefined();
      expect(await store.findRequest("nobody", randomUUID())).toBeUndefined();
    });

    test("a repeated request changes nothing and is read back", async () => {
      const request = newRequest();
      const user = newUser();
      await store.createUser(user, request);
      expect(await store.createUser(user, { ...request, resourceId: uuidv7() })).toBeUndefined();
      expect(await store.findRequest(request.caller, request.requestId)).toEqual(request);
    });

    test("a request that failed is not recorded", async () => {
      const { email } = await createUser();
      const request = newRequest();
      await expect(store.createUser(newUser(email), request)).rejects.toMatchObject({
        reason: "EMAIL_TAKEN",
      });
      expect(await store.findRequest(request.caller, request.requestId)).toBeUndefined();
    });

    test("of many who register one address at once, one succeeds", async () => {
      const user = newUser();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, () => store.createUser(user, newRequest())),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      for (const outcome of outcomes)
        if (outcome.status === "rejected")
          expect(outcome.reason).toMatchObject({ reason: "EMAIL_TAKEN" });
    });

    test("of one request sent many times at once, one creates", async () => {
      const user = newUser();
      const request = newRequest();
      const created = await Promise.all(
        Array.from({ length: 20 }, () =>
          store.createUser(user, { ...request, resourceId: uuidv7() }),
        ),
      );
      expect(created.filter((one) => one !== undefined)).toHaveLength(1);
    });

    test("one request id of two callers is two requests", async () => {
      const requestId = randomUUID();
      expect(await store.createUser(newUser(), newRequest({ requestId }))).toBeDefined();
      expect(await store.createUser(newUser(), newRequest({ requestId }))).toBeDefined();
    });

    test("roles are replaced once per request", async () => {
      const user = await createUser();
      const request = newRequest({ method: "SetRoles", resourceId: user.id });
      expect(await store.setRoles(["operator", "admin"], request)).toEqual({
        ...user,
        roles: ["operator", "admin"],
      });
      expect(await store.setRoles(["customer"], request)).toBeUndefined();
      expect((await store.findUser(user.id))?.roles).toEqual(["operator", "admin"]);
    });

    test("a change of nobody's roles is not recorded", async () => {
      const request = newRequest({ method: "SetRoles" });
      expect(await store.setRoles(["admin"], request)).toBeUndefined();
      expect(await store.findRequest(request.caller, request.requestId)).toBeUndefined();
    });

    test("a password hash is replaced only while it is the one that was read", async () => {
      const user = await createUser();
      await store.replacePasswordHash(user.id, "$argon2id$1", "$argon2id$2");
      await store.replacePasswordHash(user.id, "$argon2id$1", "$argon2id$3");
      expect((await store.findCredentials(user.email))?.passwordHash).toBe("$argon2id$2");
    });

    test("users are listed newest first, a page at a time, by the beginning of their address", async () => {
      const prefix = randomUUID();
      const created: User[] = [];
      for (const n of [1, 2, 3]) created.push(await createUser(`${prefix}-${n}@example.com`));
      const [oldest, middle, newest] = created;
      const emailPrefix = prefix;
      expect(await store.listUsers({ limit: 2, emailPrefix })).toEqual([newest, middle]);
      expect(await store.listUsers({ limit: 2, emailPrefix, before: middle?.id })).toEqual([
        oldest,
      ]);
      expect(await store.listUsers({ limit: 2, emailPrefix: prefix.slice(1) })).toEqual([]);
    });

    test("a filter is text, not a pattern", async () => {
      const prefix = randomUUID();
      await createUser(`${prefix}xy@example.com`);
      for (const emailPrefix of [`${prefix}%`, `${prefix}_`, `${prefix}\\`, "' or 1=1 --"]) {
        expect(await store.listUsers({ limit: 2, emailPrefix })).toEqual([]);
      }
    });
  });

  describe("sessions", () => {
    const openSession = async (lifetime = HOUR) => {
      const user = await createUser();
      const tokenHash = hashRefreshToken(randomUUID());
      await store.createSession({ id: uuidv7(), userId: user.id, tokenHash, lifetime });
      return { user, tokenHash };
    };
    const rotate = (
      tokenHash: string,
      successorHash = hashRefreshToken(randomUUID()),
      nonce: string = randomUUID(),
    ) => store.rotateToken({ tokenHash, successorHash, nonce });

    test("a token is used once, and its successor after it", async () => {
      const { user, tokenHash } = await openSession();
      const successorHash = hashRefreshToken(randomUUID());
      expect(await rotate(tokenHash, successorHash)).toEqual(user);
      expect(await rotate(tokenHash)).toBeUndefined();
      expect(await rotate(successorHash)).toEqual(user);
    });

    test("of many uses at once, one succeeds, and the others learn its nonce", async () => {
      const { user, tokenHash } = await openSession();
      const nonces = Array.from({ length: 20 }, () => randomUUID());
      const users = await Promise.all(
        nonces.map((nonce) => rotate(tokenHash, hashRefreshToken(nonce), nonce)),
      );
      const winners = nonces.filter((_, index) => users[index] !== undefined);
      expect(winners).toHaveLength(1);
      expect(await store.traceToken(tokenHash, HOUR)).toEqual({
        kind: "retried",
        nonce: winners[0],
        user,
      });
    });

    test("within the grace a used token's session lives on", async () => {
      const { user, tokenHash } = await openSession();
      const successorHash = hashRefreshToken(randomUUID());
      await rotate(tokenHash, successorHash);
      expect(await store.traceToken(tokenHash, HOUR)).toMatchObject({ kind: "retried" });
      expect(await rotate(successorHash)).toEqual(user);
    });

    test("after the grace it is reuse, and revokes the session for everybody", async () => {
      const { user, tokenHash } = await openSession();
      const successorHash = hashRefreshToken(randomUUID());
      await rotate(tokenHash, successorHash);
      expect(await store.traceToken(tokenHash, 0)).toEqual({ kind: "reused", userId: user.id });
      expect(await rotate(successorHash)).toBeUndefined();
      expect(await store.traceToken(tokenHash, HOUR)).toEqual({ kind: "invalid" });
    });

    test("one session's end is not another's", async () => {
      const [one, other] = [await openSession(), await openSession()];
      expect(await store.revokeSession(one.tokenHash)).toBe(one.user.id);
      expect(await rotate(other.tokenHash)).toEqual(other.user);
    });

    test("a session is revoked once, by any of its tokens", async () => {
      const { user, tokenHash } = await openSession();
      const successorHash = hashRefreshToken(randomUUID());
      await rotate(tokenHash, successorHash);
      expect(await store.revokeSession(tokenHash)).toBe(user.id);
      expect(await store.revokeSession(successorHash)).toBeUndefined();
      expect(await rotate(successorHash)).toBeUndefined();
      expect(await store.traceToken(successorHash, HOUR)).toEqual({ kind: "invalid" });
    });

    test("an expired token is invalid, and so is one that never was", async () => {
      const { tokenHash } = await openSession(0);
      expect(await rotate(tokenHash)).toBeUndefined();
      expect(await store.traceToken(tokenHash, HOUR)).toEqual({ kind: "invalid" });
      expect(await rotate("unknown")).toBeUndefined();
      expect(await store.traceToken("unknown", HOUR)).toEqual({ kind: "invalid" });
      expect(await store.revokeSession("unknown")).toBeUndefined();
    });

    test("the sweep takes expired sessions in batches, and leaves the others", async () => {
      const never = 1000 * 24 * HOUR;
      while (await store.sweep({ batch: 100, requestAge: never, failureAge: never }));
      const living = await openSession();
      const expired = [await openSession(0), await openSession(0), await openSession(0)];
      expect(await store.sweep({ batch: 2, requestAge: never, failureAge: never })).toBe(true);
      expect(await store.sweep({ batch: 2, requestAge: never, failureAge: never })).toBe(false);
      for (const { tokenHash } of expired)
        expect(await store.revokeSession(tokenHash)).toBeUndefined();
      expect(await rotate(living.tokenHash)).toEqual(living.user);
    });
  });

  test("the sweep forgets old requests and failures", async () => {
    const [request, account] = [newRequest(), randomUUID()];
    await store.createUser(newUser(), request);
    const harmless: ThrottlePolicy = { free: 2, firstDelay: 0, maxDelay: 0, window: HOUR };
    await store.admitLogin(account, harmless);
    while (await store.sweep({ batch: 100, requestAge: HOUR, failureAge: HOUR }));
    expect(await store.findRequest(request.caller, request.requestId)).toEqual(request);
    while (await store.sweep({ batch: 100, requestAge: 0, failureAge: 0 }));
    expect(await store.findRequest(request.caller, request.requestId)).toBeUndefined();
    const strict: ThrottlePolicy = { free: 2, firstDelay: HOUR, maxDelay: HOUR, window: HOUR };
    expect([
      await store.admitLogin(account, strict),
      await store.admitLogin(account, strict),
    ]).toEqual([0, 0]);
  });

  describe("the login throttle", () => {
    const policy: ThrottlePolicy = {
      free: 3,
      firstDelay: HOUR,
      maxDelay: 4 * HOUR,
      window: 100 * HOUR,
    };
    const attempt = (account: string, changes: Partial<ThrottlePolicy> = {}) =>
      store.admitLogin(account, { ...policy, ...changes });
    const attempts = async (account: string, count: number, changes?: Partial<ThrottlePolicy>) => {
      const waits: number[] = [];
      for (let n = 0; n < count; n++) waits.push(await attempt(account, changes));
      return waits;
    };

    test("admits the free attempts, then says how long to wait", async () => {
      const account = randomUUID();
      expect(await attempts(account, 3)).toEqual([0, 0, 0]);
      const wait = await attempt(account);
      expect(wait).toBeGreaterThan(0.9 * HOUR);
      expect(wait).toBeLessThanOrEqual(HOUR);
      expect(await attempt(randomUUID())).toBe(0);
    });

    test("is not outrun by attempts made at once", async () => {
      const account = randomUUID();
      const waits = await Promise.all(Array.from({ length: 30 }, () => attempt(account)));
      expect(waits.filter((wait) => wait === 0)).toHaveLength(3);
    });

    test.each([
      { after: 3, hours: 1 },
      { after: 4, hours: 2 },
      { after: 5, hours: 4 },
      { after: 6, hours: 4 },
      { after: 60, hours: 4 },
    ])(
      "waits $hours h after $after attempts: twice as long each time, up to a limit",
      async ({ after, hours }) => {
        const account = randomUUID();
        await attempts(account, after - 1, { firstDelay: 0 });
        expect(await attempt(account)).toBe(0);
        const wait = await attempt(account);
        expect(wait / HOUR).toBeGreaterThan(hours - 0.1);
        expect(wait / HOUR).toBeLessThanOrEqual(hours);
      },
    );

    test("does not count the attempts it refuses", async () => {
      const account = randomUUID();
      await attempts(account, 20);
      expect(await attempt(account)).toBeLessThanOrEqual(HOUR);
    });

    test("starts afresh when the window has passed", async () => {
      const account = randomUUID();
      expect(await attempts(account, 10, { window: 0 })).toEqual(Array(10).fill(0));
    });

    test("forgets failures after a success", async () => {
      const account = randomUUID();
      await attempts(account, 3);
      await store.forgetFailures(account);
      expect(await attempts(account, 3)).toEqual([0, 0, 0]);
    });

    test("takes an attempt back that was none", async () => {
      const account = randomUUID();
      await attempts(account, 3);
      await store.returnAttempt(account);
      expect(await attempt(account)).toBe(0);
      expect(await attempt(account)).toBeGreaterThan(0);
    });
  });

  test("answers a ping", async () => {
    await expect(store.ping(AbortSignal.timeout(5_000))).resolves.toBeUndefined();
  });
}
