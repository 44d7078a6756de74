import { randomUUID } from "node:crypto";
import type { RequestRecord } from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashRefreshToken } from "./refresh-token.ts";
import type { IdentityStore, ThrottlePolicy } from "./store.ts";
import type { User } from "./user.ts";

const HOUR_MS = 3_600_000;
const FOREVER_MS = 24_000 * HOUR_MS;

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
      expect(Math.abs(user.createTime.getTime() - Date.now())).toBeLessThan(HOUR_MS);
      expect(await store.findUser(user.id)).toEqual(user);
      expect(await store.findCredentials(user.email)).toEqual({
        user,
        passwordHash: "$argon2id$1",
        sessionEpoch: 0,
        tokenVersion: 0,
      });
      expect(user).not.toHaveProperty("passwordHash");
    });

    test("an unknown id, address or request is undefined", async () => {
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

    test("of many concurrent registrations of one address, one succeeds", async () => {
      const user = newUser();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, () => store.createUser(user, newRequest())),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      for (const outcome of outcomes)
        if (outcome.status === "rejected")
          expect(outcome.reason).toMatchObject({ reason: "EMAIL_TAKEN" });
    });

    test("of many concurrent copies of one request, one creates the user", async () => {
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

    test("a change of an unknown user's roles is not recorded", async () => {
      const request = newRequest({ method: "SetRoles" });
      expect(await store.setRoles(["admin"], request)).toBeUndefined();
      expect(await store.findRequest(request.caller, request.requestId)).toBeUndefined();
    });

    test("a disabled user is marked, and as before once enabled", async () => {
      const user = await createUser();
      const disable = newRequest({ method: "DisableUser", resourceId: user.id });
      const disabled = await store.disableUser("a reason", disable);
      expect(disabled).toEqual({
        ...user,
        disableTime: expect.any(Date),
        disableReason: "a reason",
      });
      expect(await store.findUser(user.id)).toEqual(disabled);
      expect(await store.disableUser("another", disable)).toBeUndefined();
      const again = newRequest({ method: "DisableUser", resourceId: user.id });
      expect(await store.disableUser("another", again)).toEqual({
        ...disabled,
        disableReason: "another",
      });
      const enable = newRequest({ method: "EnableUser", resourceId: user.id });
      expect(await store.enableUser(enable)).toEqual(user);
      expect(await store.enableUser(enable)).toBeUndefined();
    });

    test("disabling and enabling an unknown user is not recorded", async () => {
      const request = newRequest();
      expect(await store.disableUser("", request)).toBeUndefined();
      expect(await store.enableUser(request)).toBeUndefined();
      expect(await store.findRequest(request.caller, request.requestId)).toBeUndefined();
    });

    test("a password is reset once, by the newest token", async () => {
      const user = await createUser();
      const reset = (lifetimeMs = HOUR_MS) => ({
        tokenHash: hashRefreshToken(randomUUID()),
        lifetimeMs,
      });
      const [replaced, current] = [reset(), reset()];
      await store.openPasswordReset(user.id, replaced);
      const expireTime = await store.openPasswordReset(user.id, current);
      expect((expireTime?.getTime() ?? 0) - Date.now()).toBeGreaterThan(0.9 * HOUR_MS);
      expect(await store.resetPassword(replaced.tokenHash, "$argon2id$2")).toBeUndefined();
      expect(await store.findPasswordReset(current.tokenHash)).toEqual(user);
      const uses = await Promise.all(
        ["$argon2id$3", "$argon2id$4"].map((hash) => store.resetPassword(current.tokenHash, hash)),
      );
      expect(uses.filter((one) => one !== undefined)).toEqual([user]);
      expect((await store.findCredentials(user.email))?.passwordHash).toMatch(/[34]$/);
      expect(await store.findPasswordReset(current.tokenHash)).toBeUndefined();

      const expired = reset(0);
      await store.openPasswordReset(user.id, expired);
      expect(await store.findPasswordReset(expired.tokenHash)).toBeUndefined();
      expect(await store.resetPassword(expired.tokenHash, "$argon2id$5")).toBeUndefined();
      expect(await store.openPasswordReset(uuidv7(), reset())).toBeUndefined();
    });

    test("disabling a user ends an open password reset", async () => {
      const user = await createUser();
      const reset = { tokenHash: hashRefreshToken(randomUUID()), lifetimeMs: HOUR_MS };
      await store.openPasswordReset(user.id, reset);
      await store.disableUser("", newRequest({ resourceId: user.id }));
      expect(await store.findPasswordReset(reset.tokenHash)).toBeUndefined();
    });

    test("a password hash is replaced only while it is the one that was read", async () => {
      const user = await createUser();
      await store.replacePasswordHash(user.id, "$argon2id$1", "$argon2id$2");
      await store.replacePasswordHash(user.id, "$argon2id$1", "$argon2id$3");
      expect((await store.findCredentials(user.email))?.passwordHash).toBe("$argon2id$2");
    });

    test("users are listed newest first, in pages, by the prefix of their address", async () => {
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

  describe("the last enabled admin", () => {
    /** A store of its own, so that the admins of other tests do not count. */
    const withAdmins = async (count: number) => {
      const own = await open();
      const admins: User[] = [];
      for (let n = 0; n < count; n++) {
        const user = { ...newUser(), roles: ["admin" as const] };
        const created = await own.createUser(user, newRequest());
        if (created !== undefined) admins.push(created);
      }
      return { own, admins };
    };
    const enabledAdmins = async (own: IdentityStore) =>
      (await own.listUsers({ limit: 100, emailPrefix: "" })).filter(
        ({ roles, disableTime }) => roles.includes("admin") && disableTime === undefined,
      );

    test("cannot be demoted or disabled, and the request may be repeated", async () => {
      const { own, admins } = await withAdmins(2);
      await using _ = own;
      const [one = "", two = ""] = admins.map(({ id }) => id);
      const request = newRequest({ resourceId: one });
      expect(await own.disableUser("", newRequest({ resourceId: two }))).toBeDefined();
      expect(await own.disableUser("", request)).toBeUndefined();
      expect(await own.setRoles(["operator"], request)).toBeUndefined();
      expect(await own.findRequest(request.caller, request.requestId)).toBeUndefined();
      // A disabled admin counts for nothing, and loses the role freely.
      expect(await own.setRoles(["operator", "admin"], request)).toBeDefined();
      expect(await own.setRoles(["customer"], newRequest({ resourceId: two }))).toBeDefined();
      expect((await enabledAdmins(own)).map(({ id }) => id)).toEqual([one]);
    });

    test("is left by any number of concurrent changes", async () => {
      const { own, admins } = await withAdmins(4);
      await using _ = own;
      for (let round = 0; round < 25; round++) {
        const changes = admins.flatMap(({ id }) => [
          own.disableUser("", newRequest({ resourceId: id })),
          own.setRoles(["customer"], newRequest({ resourceId: id })),
          own.enableUser(newRequest({ resourceId: id })),
        ]);
        await Promise.all(changes);
        expect((await enabledAdmins(own)).length).toBeGreaterThan(0);
        for (const { id } of admins) {
          await own.setRoles(["admin"], newRequest({ resourceId: id }));
          await own.enableUser(newRequest({ resourceId: id }));
        }
      }
    });

    test("is made again with access to the database, with a password reset", async () => {
      const { own } = await withAdmins(0);
      await using _ = own;
      const reset = { tokenHash: hashRefreshToken(randomUUID()), lifetimeMs: HOUR_MS };
      const user = await own.createUser(newUser(), newRequest());
      await own.disableUser("by mistake", newRequest({ resourceId: user?.id ?? "" }));
      const recovered = await own.recoverAdmin(user?.email ?? "", reset);
      expect(recovered).toEqual({ ...user, roles: ["customer", "admin"] });
      expect(await own.findPasswordReset(reset.tokenHash)).toEqual(recovered);
      expect(await own.recoverAdmin(user?.email ?? "", reset)).toEqual(recovered);
      expect(await own.recoverAdmin("nobody@example.com", reset)).toBeUndefined();
    });
  });

  describe("sessions", () => {
    const grantOf = (user: User, sessionId: string, tokenVersion = 0) => ({
      user,
      sessionId,
      tokenVersion,
    });
    const openSession = async (lifetimeMs = HOUR_MS, known?: User, epoch = 0) => {
      const user = known ?? (await createUser());
      const tokenHash = hashRefreshToken(randomUUID());
      const id = uuidv7();
      await store.createSession({ id, userId: user.id, epoch, tokenHash, lifetimeMs });
      return { id, userId: user.id, user, tokenHash, grant: grantOf(user, id) };
    };
    const rotate = (
      tokenHash: string,
      successorHash = hashRefreshToken(randomUUID()),
      nonce: string = randomUUID(),
    ) => store.rotateToken({ tokenHash, successorHash, nonce });

    test("a token is used once, and its successor after it", async () => {
      const { grant, tokenHash } = await openSession();
      const successorHash = hashRefreshToken(randomUUID());
      expect(await rotate(tokenHash, successorHash)).toEqual(grant);
      expect(await rotate(tokenHash)).toBeUndefined();
      expect(await rotate(successorHash)).toEqual(grant);
    });

    test("of many concurrent uses, one succeeds, and the others get its nonce", async () => {
      const { grant, tokenHash } = await openSession();
      const nonces = Array.from({ length: 20 }, () => randomUUID());
      const users = await Promise.all(
        nonces.map((nonce) => rotate(tokenHash, hashRefreshToken(nonce), nonce)),
      );
      const winners = nonces.filter((_, index) => users[index] !== undefined);
      expect(winners).toHaveLength(1);
      expect(await store.traceToken(tokenHash, HOUR_MS)).toEqual({
        kind: "retried",
        nonce: winners[0],
        grant,
      });
    });

    test("within the grace period a used token's session stays valid", async () => {
      const { grant, tokenHash } = await openSession();
      const successorHash = hashRefreshToken(randomUUID());
      await rotate(tokenHash, successorHash);
      expect(await store.traceToken(tokenHash, HOUR_MS)).toMatchObject({ kind: "retried" });
      expect(await rotate(successorHash)).toEqual(grant);
    });

    test("a used token is reuse as soon as its successor is used, in the grace period too", async () => {
      const { id, userId, tokenHash } = await openSession();
      const successorHash = hashRefreshToken(randomUUID());
      await rotate(tokenHash, successorHash);
      await rotate(successorHash);
      expect(await store.traceToken(successorHash, HOUR_MS)).toMatchObject({ kind: "retried" });
      expect(await store.traceToken(tokenHash, HOUR_MS)).toEqual({
        kind: "reused",
        userId,
        sessionId: id,
      });
      expect((await store.listRevocations()).sessions).toContain(id);
    });

    test("after the grace period it is reuse, and revokes the session", async () => {
      const { id, userId, tokenHash } = await openSession();
      const successorHash = hashRefreshToken(randomUUID());
      await rotate(tokenHash, successorHash);
      expect(await store.traceToken(tokenHash, 0)).toEqual({
        kind: "reused",
        userId,
        sessionId: id,
      });
      expect(await rotate(successorHash)).toBeUndefined();
      expect(await store.traceToken(tokenHash, HOUR_MS)).toEqual({ kind: "invalid" });
    });

    test("revoking one session does not affect another", async () => {
      const [one, other] = [await openSession(), await openSession()];
      expect(await store.revokeSessionOf(one.tokenHash)).toEqual({
        id: one.id,
        userId: one.userId,
      });
      expect(await rotate(other.tokenHash)).toEqual(other.grant);
      const { sessions } = await store.listRevocations();
      expect(sessions).toContain(one.id);
      expect(sessions).not.toContain(other.id);
    });

    test("a session is revoked once, by any of its tokens", async () => {
      const { tokenHash } = await openSession();
      const successorHash = hashRefreshToken(randomUUID());
      await rotate(tokenHash, successorHash);
      expect(await store.revokeSessionOf(tokenHash)).toBeDefined();
      expect(await store.revokeSessionOf(successorHash)).toBeUndefined();
      expect(await rotate(successorHash)).toBeUndefined();
      expect(await store.traceToken(successorHash, HOUR_MS)).toEqual({ kind: "invalid" });
    });

    const reset = async (user: User) => {
      const tokenHash = hashRefreshToken(randomUUID());
      await store.openPasswordReset(user.id, { tokenHash, lifetimeMs: HOUR_MS });
      await store.resetPassword(tokenHash, "$argon2id$2");
    };
    test.each([
      ["disabling", (user: User) => store.disableUser("", newRequest({ resourceId: user.id }))],
      ["a new password", reset],
    ])("%s ends all sessions of a user, also those of logins in flight", async (_, end) => {
      const { user, tokenHash } = await openSession();
      const successorHash = hashRefreshToken(randomUUID());
      await rotate(tokenHash, successorHash);
      const before = await store.findCredentials(user.email);
      await end(user);
      // The password was checked before, the session created after.
      const late = await openSession(HOUR_MS, user, before?.sessionEpoch);
      expect(await rotate(successorHash)).toBeUndefined();
      expect(await rotate(late.tokenHash)).toBeUndefined();
      expect(await store.traceToken(tokenHash, HOUR_MS)).toEqual({ kind: "invalid" });
      await store.enableUser(newRequest({ resourceId: user.id }));
      expect(await rotate(successorHash)).toBeUndefined();
      const after = await store.findCredentials(user.email);
      const renewed = await openSession(HOUR_MS, user, after?.sessionEpoch);
      expect(await rotate(renewed.tokenHash)).toEqual(grantOf(user, renewed.id, 1));
      expect((await store.listRevocations()).users).toContainEqual({
        subject: user.id,
        tokenVersion: 1,
      });
    });

    test("new roles revoke the access tokens, and leave the sessions", async () => {
      const { id, user, userId, tokenHash } = await openSession();
      for (const [version, role] of [
        [1, "operator"],
        [2, "customer"],
      ] as const) {
        await store.setRoles([role], newRequest({ resourceId: userId }));
        const revoked = (await store.listRevocations()).users.filter(
          ({ subject }) => subject === userId,
        );
        expect(revoked).toEqual([{ subject: userId, tokenVersion: version }]);
      }
      expect(await rotate(tokenHash)).toEqual(grantOf(user, id, 2));
      await store.enableUser(newRequest({ resourceId: userId }));
      expect((await store.findCredentials(user.email))?.tokenVersion).toBe(2);
    });

    test("a user's sessions are listed newest first, in pages, without those that have ended", async () => {
      const first = await openSession();
      const { user, userId } = first;
      const others = [await openSession(HOUR_MS, user), await openSession(HOUR_MS, user)];
      await openSession(0, user);
      await openSession();
      const revoked = await openSession(HOUR_MS, user);
      expect(await store.revokeSession(revoked)).toBe("revoked");
      const ids = [first, ...others].map(({ id }) => id).reverse();
      const all = await store.listSessions({ userId, limit: 10 });
      expect(all.map(({ id }) => id)).toEqual(ids);
      expect(Math.abs((all[0]?.lastUseTime.getTime() ?? 0) - Date.now())).toBeLessThan(HOUR_MS);
      const [, middle] = ids;
      const rest = await store.listSessions({ userId, limit: 10, before: middle });
      expect(rest.map(({ id }) => id)).toEqual(ids.slice(2));
      expect(await store.listSessions({ userId, limit: 1 })).toHaveLength(1);
    });

    test("a session is revoked by its user, once, and by no other user", async () => {
      const [one, other] = [await openSession(), await openSession()];
      expect(await store.revokeSession({ id: one.id, userId: other.userId })).toBeUndefined();
      expect(await store.revokeSession({ id: uuidv7(), userId: one.userId })).toBeUndefined();
      expect(await store.revokeSession(one)).toBe("revoked");
      expect(await store.revokeSession(one)).toBe("was revoked");
      expect(await rotate(one.tokenHash)).toBeUndefined();
      expect(await rotate(other.tokenHash)).toEqual(other.grant);
    });

    test("all sessions are revoked at once, and a repeated request ends no later one", async () => {
      const one = await openSession();
      const other = await openSession(HOUR_MS, one.user);
      expect(await store.revokeAllSessions({ id: one.id, userId: uuidv7() })).toBe(false);
      expect(await store.revokeAllSessions(one)).toBe(true);
      for (const { tokenHash } of [one, other]) expect(await rotate(tokenHash)).toBeUndefined();
      const later = await openSession(HOUR_MS, one.user, 1);
      expect(await store.revokeAllSessions(one)).toBe(false);
      expect(await rotate(later.tokenHash)).toEqual(grantOf(one.user, later.id, 1));
    });

    test("a changed password ends the other sessions and an open reset", async () => {
      const one = await openSession();
      const { user, userId } = one;
      const other = await openSession(HOUR_MS, user);
      const tokenHash = hashRefreshToken(randomUUID());
      await store.openPasswordReset(userId, { tokenHash, lifetimeMs: HOUR_MS });
      const change = { userId, sessionId: one.id, from: "$argon2id$1", to: "$argon2id$2" };
      expect(await store.changePassword({ ...change, from: "$argon2id$0" })).toBe(false);
      expect(await store.changePassword({ ...change, sessionId: uuidv7() })).toBe(false);
      const changes = await Promise.all([
        store.changePassword(change),
        store.changePassword({ ...change, to: "$argon2id$3" }),
      ]);
      expect(changes.filter(Boolean)).toHaveLength(1);
      expect(await rotate(other.tokenHash)).toBeUndefined();
      expect(await rotate(one.tokenHash)).toEqual(grantOf(user, one.id, 1));
      expect(await store.findPasswordReset(tokenHash)).toBeUndefined();
      expect((await store.listRevocations()).users).toContainEqual({
        subject: userId,
        tokenVersion: 1,
        exceptSession: one.id,
      });
    });

    test("an expired token is invalid, and so is an unknown one", async () => {
      const { tokenHash } = await openSession(0);
      expect(await rotate(tokenHash)).toBeUndefined();
      expect(await store.traceToken(tokenHash, HOUR_MS)).toEqual({ kind: "invalid" });
      expect(await rotate("unknown")).toBeUndefined();
      expect(await store.traceToken("unknown", HOUR_MS)).toEqual({ kind: "invalid" });
      expect(await store.revokeSessionOf("unknown")).toBeUndefined();
    });

    test("the sweep deletes expired sessions in batches, and no others", async () => {
      const sessionsOnly = { requestsAfterMs: FOREVER_MS, failuresAfterMs: FOREVER_MS };
      while ((await store.sweep(100, sessionsOnly)) === 100);
      const living = await openSession();
      const expired = [await openSession(0), await openSession(0), await openSession(0)];
      expect(await store.sweep(2, sessionsOnly)).toBe(2);
      expect(await store.sweep(2, sessionsOnly)).toBe(1);
      for (const { tokenHash } of expired)
        expect(await store.revokeSessionOf(tokenHash)).toBeUndefined();
      expect(await rotate(living.tokenHash)).toEqual(living.grant);
    });
  });

  test("the sweep deletes old requests and failures", async () => {
    const [request, account] = [newRequest(), randomUUID()];
    await store.createUser(newUser(), request);
    const attempt = (delayMs: number) =>
      store.admitLogin(account, {
        free: 2,
        firstDelayMs: delayMs,
        maxDelayMs: delayMs,
        windowMs: HOUR_MS,
      });
    const sweepAll = async (ageMs: number) => {
      const expiry = { requestsAfterMs: ageMs, failuresAfterMs: ageMs };
      while ((await store.sweep(100, expiry)) === 100);
    };
    await attempt(0);
    await sweepAll(HOUR_MS);
    expect(await store.findRequest(request.caller, request.requestId)).toEqual(request);
    await sweepAll(0);
    expect(await store.findRequest(request.caller, request.requestId)).toBeUndefined();
    expect([await attempt(HOUR_MS), await attempt(HOUR_MS)]).toEqual([0, 0]);
  });

  describe("the login throttle", () => {
    const policy: ThrottlePolicy = {
      free: 3,
      firstDelayMs: HOUR_MS,
      maxDelayMs: 4 * HOUR_MS,
      windowMs: 100 * HOUR_MS,
    };
    const attempt = (account: string, changes: Partial<ThrottlePolicy> = {}) =>
      store.admitLogin(account, { ...policy, ...changes });
    const attempts = async (account: string, count: number, changes?: Partial<ThrottlePolicy>) => {
      const waits: number[] = [];
      for (let n = 0; n < count; n++) waits.push(await attempt(account, changes));
      return waits;
    };

    test("admits the free attempts, then returns how long to wait", async () => {
      const account = randomUUID();
      expect(await attempts(account, 3)).toEqual([0, 0, 0]);
      const wait = await attempt(account);
      expect(wait).toBeGreaterThan(0.9 * HOUR_MS);
      expect(wait).toBeLessThanOrEqual(HOUR_MS);
      expect(await attempt(randomUUID())).toBe(0);
    });

    test("bounds concurrent attempts too", async () => {
      const account = randomUUID();
      const waits = await Promise.all(Array.from({ length: 30 }, () => attempt(account)));
      expect(waits.filter((wait) => wait === 0)).toHaveLength(3);
    });

    test("admits as many at once as are free", async () => {
      const accounts = Array.from({ length: 60 }, () => randomUUID());
      const waits = await Promise.all(
        accounts.flatMap((account) => [attempt(account), attempt(account), attempt(account)]),
      );
      expect(waits.filter((wait) => wait > 0)).toEqual([]);
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
        await attempts(account, after - 1, { firstDelayMs: 0 });
        expect(await attempt(account)).toBe(0);
        const wait = await attempt(account);
        expect(wait / HOUR_MS).toBeGreaterThan(hours - 0.1);
        expect(wait / HOUR_MS).toBeLessThanOrEqual(hours);
      },
    );

    test("does not count the attempts it refuses", async () => {
      const account = randomUUID();
      await attempts(account, 20);
      expect(await attempt(account)).toBeLessThanOrEqual(HOUR_MS);
    });

    test("starts afresh when the window has passed", async () => {
      const account = randomUUID();
      expect(await attempts(account, 10, { windowMs: 0 })).toEqual(Array(10).fill(0));
    });

    test("forgets failures after a success", async () => {
      const account = randomUUID();
      await attempts(account, 3);
      await store.forgetFailures(account);
      expect(await attempts(account, 3)).toEqual([0, 0, 0]);
    });

    test("does not count an attempt that is returned", async () => {
      const account = randomUUID();
      await attempts(account, 3);
      await store.returnAttempt(account);
      expect(await attempt(account)).toBe(0);
      expect(await attempt(account)).toBeGreaterThan(0);
    });
  });

  test("a ping succeeds", async () => {
    await expect(store.ping(AbortSignal.timeout(5_000))).resolves.toBeUndefined();
  });
}
