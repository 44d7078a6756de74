import { randomUUID } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Role } from "@tercet/gen/common/v1/access";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  adminToken,
  bearer,
  forge,
  type Harness,
  newAccount,
  refusal,
  startIdentity,
} from "./harness.ts";

let identity: Harness;
let client: Harness["client"];
beforeAll(async () => {
  identity = await startIdentity();
  ({ client } = identity);
});
afterAll(() => identity[Symbol.asyncDispose]());

const replayed = async (
  call: (options: { onHeader(headers: Headers): void }) => Promise<unknown>,
) => {
  let header: string | null = null;
  await call({ onHeader: (headers) => (header = headers.get("idempotent-replayed")) });
  return header === "true";
};

describe("Register", () => {
  test("creates a customer, who can log in and call GetMe", async () => {
    const account = newAccount({ email: `Ada.${randomUUID()}@Example.com` });
    const user = await client.register(account);
    expect(user).toMatchObject({
      email: account.email.toLowerCase(),
      displayName: "Ada",
      roles: [Role.CUSTOMER],
    });
    expect(user.createTime).toBeDefined();
    const login = await client.login(account);
    expect(login).toMatchObject({ tokenType: "Bearer", expiresIn: { seconds: 600n }, user });
    expect(await client.getMe({}, bearer(login.accessToken))).toEqual(user);
  });

  test("over gRPC as well", async () => {
    const grpc = createClient(IdentityService, createGrpcTransport({ baseUrl: identity.url }));
    const account = newAccount();
    const user = await grpc.register(account);
    const { accessToken } = await grpc.login(account);
    expect(await grpc.getMe({}, bearer(accessToken))).toEqual(user);
  });

  test("returns the same user for a repeated request, marked as replayed", async () => {
    const account = newAccount();
    const user = await client.register(account);
    expect(await client.register({ ...account, email: account.email.toUpperCase() })).toEqual(user);
    expect(await replayed((options) => client.register(account, options))).toBe(true);
    expect(await replayed((options) => client.register(newAccount(), options))).toBe(false);
  });

  test.each([{ displayName: "Eve" }, { password: "another password" }])(
    "refuses the same request id with %j",
    async (change) => {
      const account = newAccount();
      await client.register(account);
      expect(await refusal(client.register({ ...account, ...change }))).toMatchObject({
        code: "InvalidArgument",
        reason: "REQUEST_ID_REUSED",
      });
      await client.login(account);
    },
  );

  test("refuses an address that is taken, however it is spelt", async () => {
    const account = newAccount();
    await client.register(account);
    const again = { ...account, email: account.email.toUpperCase(), requestId: randomUUID() };
    expect(await refusal(client.register(again))).toMatchObject({
      code: "AlreadyExists",
      reason: "EMAIL_TAKEN",
    });
  });

  test("of concurrent requests for one address one succeeds; copies of one request all return its user", async () => {
    const account = newAccount();
    const rivals = await Promise.allSettled(
      Array.from({ length: 8 }, () => client.register({ ...account, requestId: randomUUID() })),
    );
    expect(rivals.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const other = newAccount();
    const users = await Promise.all(Array.from({ length: 8 }, () => client.register(other)));
    expect(new Set(users.map(({ id }) => id)).size).toBe(1);
  });

  test.each([
    { password: "7 chars" },
    { password: "x".repeat(129) },
    { password: "nul\0nul\0nul" },
    { email: "no address" },
    { requestId: "" },
  ])("refuses %j", async (change) => {
    expect(await refusal(client.register({ ...newAccount(), ...change }))).toMatchObject({
      code: "InvalidArgument",
    });
  });
});

describe("GetMe", () => {
  test("is for users: for a service it returns not_found", async () => {
    const token = await forge(identity.key, { claims: { sub: "order", roles: ["service"] } });
    expect(await refusal(client.getMe({}, bearer(token)))).toMatchObject({ code: "NotFound" });
  });
});

describe("SetRoles", () => {
  test("sets roles that the next token carries", async () => {
    const account = newAccount();
    const { id } = await client.register(account);
    const request = { userId: id, roles: [Role.OPERATOR, Role.ADMIN], requestId: randomUUID() };
    const options = bearer(await adminToken(client));
    const changed = await client.setRoles(request, options);
    expect(changed.roles).toEqual([Role.OPERATOR, Role.ADMIN]);
    expect(await client.setRoles(request, options)).toEqual(changed);
    expect(await replayed((more) => client.setRoles(request, { ...options, ...more }))).toBe(true);
    const { accessToken } = await client.login(account);
    expect((await client.listUsers({}, bearer(accessToken))).users.length).toBeGreaterThan(1);
  });

  test("refuses another change under the same request id", async () => {
    const { id } = await client.register(newAccount());
    const options = bearer(await adminToken(client));
    const request = { userId: id, roles: [Role.OPERATOR], requestId: randomUUID() };
    await client.setRoles(request, options);
    const refused = await refusal(client.setRoles({ ...request, roles: [Role.ADMIN] }, options));
    expect(refused).toMatchObject({ code: "InvalidArgument", reason: "REQUEST_ID_REUSED" });
  });

  test("returns not_found for an unknown user, and the request may be repeated", async () => {
    const options = bearer(await adminToken(client));
    const request = { userId: randomUUID(), roles: [Role.OPERATOR], requestId: randomUUID() };
    expect(await refusal(client.setRoles(request, options))).toMatchObject({ code: "NotFound" });
    expect(await refusal(client.setRoles(request, options))).toMatchObject({ code: "NotFound" });
  });

  test("cannot assign the role service", async () => {
    const { id } = await client.register(newAccount());
    const request = { userId: id, roles: [Role.SERVICE], requestId: randomUUID() };
    expect(await refusal(client.setRoles(request, bearer(await adminToken(client))))).toMatchObject(
      { code: "InvalidArgument" },
    );
  });
});

describe("DisableUser and EnableUser", () => {
  test("end the user's sessions, and refuse logins until the user is enabled", async () => {
    const account = newAccount();
    const { id: userId } = await client.register(account);
    const { accessToken, refreshToken } = await client.login(account);
    const options = bearer(await adminToken(client));
    const request = { userId, reason: "left the company", requestId: randomUUID() };
    const disabled = await client.disableUser(request, options);
    expect(disabled).toMatchObject({ id: userId, disableReason: "left the company" });
    expect(disabled.disableTime).toBeDefined();
    expect(await client.disableUser(request, options)).toEqual(disabled);
    expect(await replayed((more) => client.disableUser(request, { ...options, ...more }))).toBe(
      true,
    );

    expect(await refusal(client.refresh({ refreshToken }))).toMatchObject({
      reason: "INVALID_CREDENTIALS",
    });
    expect(await refusal(client.login(account))).toMatchObject({
      code: "PermissionDenied",
      reason: "USER_DISABLED",
    });
    // Only the right password shows that the user exists and is disabled.
    const wrong = await refusal(client.login({ ...account, password: "wrong password" }));
    expect(wrong).toMatchObject({ reason: "INVALID_CREDENTIALS" });
    // The access token ends too, a moment later.
    await expect
      .poll(() => refusal(client.getMe({}, bearer(accessToken))).catch(() => undefined))
      .toMatchObject({ code: "Unauthenticated" });

    const enable = { userId, requestId: randomUUID() };
    const enabled = await client.enableUser(enable, options);
    expect(enabled).toMatchObject({ id: userId, disableReason: "" });
    expect(enabled.disableTime).toBeUndefined();
    expect(await client.enableUser(enable, options)).toEqual(enabled);
    expect(await refusal(client.refresh({ refreshToken }))).toMatchObject({
      reason: "INVALID_CREDENTIALS",
    });
    await client.login(account);
  });

  test("return not_found for an unknown user", async () => {
    const options = bearer(await adminToken(client));
    const request = () => ({ userId: randomUUID(), requestId: randomUUID() });
    expect(await refusal(client.disableUser(request(), options))).toMatchObject({
      code: "NotFound",
    });
    expect(await refusal(client.enableUser(request(), options))).toMatchObject({
      code: "NotFound",
    });
  });
});

test("the last admin can neither demote nor disable himself", async () => {
  await using own = await startIdentity();
  const token = await adminToken(own.client);
  const options = bearer(token);
  const { id: userId } = await own.client.getMe({}, options);
  const refused = { code: "FailedPrecondition", reason: "LAST_ADMIN" };
  const roles = [Role.OPERATOR];
  const setRoles = { userId, roles, requestId: randomUUID() };
  expect(await refusal(own.client.setRoles(setRoles, options))).toMatchObject(refused);
  const disable = { userId, requestId: randomUUID() };
  expect(await refusal(own.client.disableUser(disable, options))).toMatchObject(refused);

  const account = newAccount();
  const { id } = await own.client.register(account);
  await own.client.setRoles({ userId: id, roles: [Role.ADMIN], requestId: randomUUID() }, options);
  expect((await own.client.setRoles(setRoles, options)).roles).toEqual(roles);
  const heir = bearer((await own.client.login(account)).accessToken);
  const last = { userId: id, requestId: randomUUID() };
  expect(await refusal(own.client.disableUser(last, heir))).toMatchObject(refused);
});

describe("a password reset", () => {
  test("lets the holder of its token set a password once, and ends the sessions", async () => {
    const account = newAccount();
    const { id: userId } = await client.register(account);
    const { refreshToken } = await client.login(account);
    const options = bearer(await adminToken(client));
    const replaced = await client.issuePasswordReset({ userId }, options);
    const { resetToken, expireTime } = await client.issuePasswordReset({ userId }, options);
    expect(Number(expireTime?.seconds) * 1000 - Date.now()).toBeGreaterThan(50 * 60_000);
    await client.login(account);

    const newPassword = "a better password";
    const invalid = { code: "Unauthenticated", reason: "INVALID_CREDENTIALS" };
    const reset = (token: string) => client.resetPassword({ resetToken: token, newPassword });
    expect(await refusal(reset(replaced.resetToken))).toMatchObject(invalid);
    expect(await refusal(reset("nothing-that-was-issued"))).toMatchObject(invalid);
    for (let n = 0; n < 5; n++) await refusal(client.login({ ...account, password: "forgotten" }));
    await reset(resetToken);
    expect(await refusal(reset(resetToken))).toMatchObject(invalid);
    // Not throttled by the attempts with the forgotten one.
    await client.login({ ...account, password: newPassword });
    expect(await refusal(client.login(account))).toMatchObject(invalid);
    expect(await refusal(client.refresh({ refreshToken }))).toMatchObject(invalid);
    for (const secret of [resetToken, replaced.resetToken, newPassword])
      expect(identity.lines.join("")).not.toContain(secret);
  });

  test("returns not_found for an unknown user", async () => {
    const options = bearer(await adminToken(client));
    const refused = await refusal(client.issuePasswordReset({ userId: randomUUID() }, options));
    expect(refused).toMatchObject({ code: "NotFound" });
  });
});

describe("administration is for admins", () => {
  test.each<[string, (headers: { headers?: Record<string, string> }) => Promise<unknown>]>([
    ["ListUsers", (options) => client.listUsers({}, options)],
    [
      "SetRoles",
      (options) =>
        client.setRoles(
          { userId: randomUUID(), roles: [Role.ADMIN], requestId: randomUUID() },
          options,
        ),
    ],
    [
      "DisableUser",
      (options) => client.disableUser({ userId: randomUUID(), requestId: randomUUID() }, options),
    ],
    [
      "EnableUser",
      (options) => client.enableUser({ userId: randomUUID(), requestId: randomUUID() }, options),
    ],
    [
      "IssuePasswordReset",
      (options) => client.issuePasswordReset({ userId: randomUUID() }, options),
    ],
  ])("%s", async (_, call) => {
    const account = newAccount();
    await client.register(account);
    const { accessToken } = await client.login(account);
    expect(await refusal(call({}))).toMatchObject({ code: "Unauthenticated" });
    expect(await refusal(call(bearer(accessToken)))).toMatchObject({ code: "PermissionDenied" });
  });
});

describe("ListUsers", () => {
  test("pages through the users, newest first", async () => {
    const options = bearer(await adminToken(client));
    const filter = randomUUID();
    const ids: string[] = [];
    for (const n of [1, 2, 3])
      ids.unshift((await client.register(newAccount({ email: `${filter}-${n}@example.com` }))).id);
    const first = await client.listUsers({ filter: filter.toUpperCase(), pageSize: 2 }, options);
    const second = await client.listUsers(
      { filter, pageSize: 2, pageToken: first.nextPageToken },
      options,
    );
    expect([...first.users, ...second.users].map(({ id }) => id)).toEqual(ids);
    expect(first.nextPageToken).not.toContain(ids[1]);
    expect(second.nextPageToken).toBe("");
  });

  test("refuses a forged page token", async () => {
    const pageToken = Buffer.from("' or 1=1 --").toString("base64url");
    const refused = await refusal(
      client.listUsers({ pageToken }, bearer(await adminToken(client))),
    );
    expect(refused).toMatchObject({ code: "InvalidArgument", reason: "INVALID_FIELD" });
  });
});
