import { randomUUID } from "node:crypto";
import { createService, RequestError, serviceConfig, serviceEnv } from "@tercet/service";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { z } from "zod";
import { capturedLog } from "../src/captured-log.testing.ts";
import {
  adminToken,
  bearer,
  forge,
  type Harness,
  issuer,
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

/** What is promised, on an idle machine. */
const REACHES_MS = 5_000;

async function newUser() {
  const account = newAccount();
  const user = await client.register(account);
  const logIn = () => client.login(account);
  return { ...account, id: user.id, logIn };
}
const isAccepted = (token: string, through = client) =>
  through.getMe({}, bearer(token)).then(
    () => true,
    () => false,
  );
const refusedWithin = (token: string, through = client) =>
  expect
    .poll(() => isAccepted(token, through), { timeout: REACHES_MS * inject("timeFactor") })
    .toBe(false);

describe("ListSessions and RevokeSession", () => {
  test("show the caller's sessions, and end one of them", async () => {
    const user = await newUser();
    const [here, there] = [await user.logIn(), await user.logIn()];
    await client.refresh({ refreshToken: here.refreshToken });
    const options = bearer(here.accessToken);
    const { sessions } = await client.listSessions({}, options);
    expect(sessions.map(({ current }) => current)).toEqual([false, true]);
    const [other, own] = sessions;
    expect(own?.lastUseTime).not.toEqual(own?.createTime);
    expect(other?.lastUseTime).toEqual(other?.createTime);

    await client.revokeSession({ sessionId: other?.id ?? "" }, options);
    await client.revokeSession({ sessionId: other?.id?.toUpperCase() ?? "" }, options);
    expect(await refusal(client.refresh({ refreshToken: there.refreshToken }))).toMatchObject({
      reason: "INVALID_CREDENTIALS",
    });
    await refusedWithin(there.accessToken);
    expect(await isAccepted(here.accessToken)).toBe(true);
    expect((await client.listSessions({}, options)).sessions.map(({ id }) => id)).toEqual([
      own?.id,
    ]);
  });

  test("page through many", async () => {
    const user = await newUser();
    const { accessToken } = await user.logIn();
    await user.logIn();
    await user.logIn();
    const options = bearer(accessToken);
    const first = await client.listSessions({ pageSize: 2 }, options);
    const pageToken = first.nextPageToken;
    const second = await client.listSessions({ pageSize: 2, pageToken }, options);
    expect([first.sessions.length, second.sessions.length, second.nextPageToken]).toEqual([
      2,
      1,
      "",
    ]);
  });

  test("another user's session does not exist, and a service has none", async () => {
    const [user, thief] = [await newUser(), await newUser()];
    const { accessToken } = await user.logIn();
    const [session] = (await client.listSessions({}, bearer(accessToken))).sessions;
    const stranger = bearer((await thief.logIn()).accessToken);
    const missing = { code: "NotFound", reason: "NOT_FOUND" };
    const revoke = (sessionId: string) => refusal(client.revokeSession({ sessionId }, stranger));
    expect(await revoke(session?.id ?? "")).toMatchObject(missing);
    expect(await revoke(randomUUID())).toMatchObject(missing);
    const service = bearer(
      await forge(identity.key, { claims: { sub: "order", roles: ["service"] } }),
    );
    expect(await refusal(client.listSessions({}, service))).toMatchObject(missing);
    expect(await refusal(client.revokeAllSessions({}, service))).toMatchObject(missing);
  });
});

test("RevokeAllSessions ends every session, and a later login works", async () => {
  const user = await newUser();
  const [here, there] = [await user.logIn(), await user.logIn()];
  await client.revokeAllSessions({}, bearer(here.accessToken));
  const later = await user.logIn();
  for (const { refreshToken } of [here, there])
    expect(await refusal(client.refresh({ refreshToken }))).toMatchObject({
      reason: "INVALID_CREDENTIALS",
    });
  await refusedWithin(here.accessToken);
  await refusedWithin(there.accessToken);
  expect(await isAccepted(later.accessToken)).toBe(true);
});

describe("ChangePassword", () => {
  test("ends the other sessions and devices, and this one stays", async () => {
    const user = await newUser();
    const [here, there] = [await user.logIn(), await user.logIn()];
    const newPassword = "a better password";
    const { deviceToken } = await client.changePassword(
      { currentPassword: user.password, newPassword },
      bearer(here.accessToken),
    );
    await refusedWithin(there.accessToken);
    expect(await isAccepted(here.accessToken)).toBe(true);
    const renewed = await client.refresh({ refreshToken: here.refreshToken });
    expect(await isAccepted(renewed.accessToken)).toBe(true);
    const { sessions } = await client.listSessions({}, bearer(renewed.accessToken));
    expect(sessions).toHaveLength(1);
    for (let n = 0; n < 6; n++) await refusal(user.logIn());
    const login = { email: user.email, password: newPassword };
    expect(await refusal(client.login({ ...login, deviceToken: here.deviceToken }))).toMatchObject({
      reason: "RATE_LIMITED",
    });
    await client.login({ ...login, deviceToken });
    for (const secret of [newPassword, user.password, deviceToken])
      expect(identity.lines.join("")).not.toContain(secret);
  });

  test("is no way to guess the password with a stolen access token", async () => {
    const user = await newUser();
    const { accessToken } = await user.logIn();
    const change = (currentPassword: string) =>
      refusal(
        client.changePassword(
          { currentPassword, newPassword: "a better password" },
          bearer(accessToken),
        ),
      );
    for (let n = 0; n < 5; n++)
      expect(await change("wrong password")).toMatchObject({ reason: "INVALID_CREDENTIALS" });
    expect(await change(user.password)).toMatchObject({ reason: "RATE_LIMITED" });
    await user.logIn();
  });
});

describe("an access token is refused within 5 s", () => {
  test.each<[string, (user: Awaited<ReturnType<typeof newUser>>) => Promise<unknown>]>([
    [
      "of new roles",
      async ({ id }) =>
        client.setRoles(
          { userId: id, roles: [2], requestId: randomUUID() },
          bearer(await adminToken(client)),
        ),
    ],
    [
      "of being disabled",
      async ({ id }) =>
        client.disableUser(
          { userId: id, requestId: randomUUID() },
          bearer(await adminToken(client)),
        ),
    ],
    [
      "of a password reset",
      async ({ id }) => {
        const admin = bearer(await adminToken(client));
        const { resetToken } = await client.issuePasswordReset({ userId: id }, admin);
        await client.resetPassword({ resetToken, newPassword: "a better password" });
      },
    ],
  ])("%s", async (_, change) => {
    const user = await newUser();
    const { accessToken } = await user.logIn();
    expect(await isAccepted(accessToken)).toBe(true);
    await change(user);
    await refusedWithin(accessToken);
  });

  test("of a logout, at another replica too", async () => {
    const user = await newUser();
    const { accessToken, refreshToken } = await user.logIn();
    await using replica = await startIdentity({
      DATABASE_URL: identity.databaseUrl,
      TOKEN_SIGNING_KEYS: JSON.stringify({ keys: [identity.key] }),
    });
    expect(await isAccepted(accessToken, replica.client)).toBe(true);
    await client.logout({ refreshToken });
    await refusedWithin(accessToken, replica.client);
  });
});

describe("the published list", () => {
  const list = (headers: Record<string, string> = {}) =>
    fetch(`${identity.url}/revocations`, { headers });

  test("is a signed token, and empty for those who have it", async () => {
    const user = await newUser();
    const { accessToken, refreshToken } = await user.logIn();
    await client.logout({ refreshToken });
    await refusedWithin(accessToken);
    const response = await list();
    const token = await response.text();
    expect(decodeProtectedHeader(token)).toMatchObject({ typ: "revocations+jwt", alg: "ES256" });
    const claims = decodeJwt<{ revocations: { sessions: string[] } }>(token);
    expect(claims.iss).toBe(issuer);
    expect(claims.revocations.sessions).toContain(decodeJwt(accessToken)["sid"]);
    const etag = response.headers.get("etag") ?? "";
    const again = await list({ "if-none-match": etag });
    expect([again.status, await again.text()]).toEqual([304, ""]);
  });

  test("is read by another service, which has only the address of the keys", async () => {
    const env = z.object(serviceEnv(0)).parse({
      HOST: "127.0.0.1",
      PORT: "0",
      TOKEN_ISSUER: issuer,
      JWKS_URL: `${identity.url}/.well-known/jwks.json`,
    });
    const { IdentityService } = await import("@tercet/gen/identity/v1/identity");
    const { createClient } = await import("@connectrpc/connect");
    const { createConnectTransport } = await import("@connectrpc/connect-node");
    await using other = await createService({
      name: "other",
      config: serviceConfig(env),
      log: capturedLog().log,
      errors: {},
      routes: (router) => {
        router.service(IdentityService, {
          getMe() {
            throw new RequestError("NOT_FOUND", "it was accepted");
          },
        });
      },
    });
    const transport = createConnectTransport({ baseUrl: other.url, httpVersion: "1.1" });
    const elsewhere = createClient(IdentityService, transport);
    const user = await newUser();
    const { accessToken, refreshToken } = await user.logIn();
    const ask = () => refusal(elsewhere.getMe({}, bearer(accessToken)));
    expect(await ask()).toMatchObject({ code: "NotFound" });
    await client.logout({ refreshToken });
    await expect
      .poll(ask, { timeout: REACHES_MS * inject("timeFactor") })
      .toMatchObject({ code: "Unauthenticated" });
  });
});
