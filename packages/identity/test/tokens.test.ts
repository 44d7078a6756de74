import { createHmac, randomUUID } from "node:crypto";
import { connectPostgres, type Sql } from "@tercet/service";
import { createRemoteJWKSet, decodeJwt, jwtVerify, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateSigningKey } from "../src/index.ts";
import { hashRefreshToken } from "../src/refresh-token.ts";
import {
  bearer,
  clientSecret,
  forge,
  type Harness,
  issuer,
  newAccount,
  refusal,
  startIdentity,
} from "./harness.ts";

let identity: Harness;
let client: Harness["client"];
let sql: Sql;
beforeAll(async () => {
  identity = await startIdentity();
  ({ client } = identity);
  sql = connectPostgres(identity.databaseUrl, { max: 1 });
});
afterAll(async () => {
  await sql.end();
  await identity[Symbol.asyncDispose]();
});

async function login() {
  const account = newAccount();
  await client.register(account);
  return await client.login(account);
}
const refresh = ({ refreshToken }: { refreshToken: string }, through = client) =>
  through.refresh({ refreshToken });
const logout = ({ refreshToken }: { refreshToken: string }) => client.logout({ refreshToken });
const invalid = { code: "Unauthenticated", reason: "INVALID_CREDENTIALS" };

describe("Refresh", () => {
  test("returns new tokens of the same user, repeatedly", async () => {
    const first = await login();
    const second = await refresh(first);
    const third = await refresh(second);
    expect(new Set([first, second, third].map(({ refreshToken }) => refreshToken)).size).toBe(3);
    expect(third.user).toEqual(first.user);
    expect(await client.getMe({}, bearer(third.accessToken))).toEqual(first.user);
  });

  test("returns the same successor to a retry, and to concurrent calls", async () => {
    const { refreshToken } = await login();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => client.refresh({ refreshToken })),
    );
    const late = await client.refresh({ refreshToken });
    expect(new Set([...answers, late].map((answer) => answer.refreshToken)).size).toBe(1);
    await refresh(late);
  });

  test("mints one access token for one used refresh token, however often it is repeated", async () => {
    const { refreshToken } = await login();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, () => client.refresh({ refreshToken })),
    );
    const minted = outcomes.flatMap((outcome) =>
      outcome.status === "fulfilled" ? [outcome.value] : [],
    );
    expect(minted.length).toBeLessThanOrEqual(21);
    expect(new Set(minted.map(({ accessToken }) => decodeJwt(accessToken).jti)).size).toBe(1);
    expect(await refusal(client.refresh({ refreshToken }))).toMatchObject({
      code: "ResourceExhausted",
      reason: "RATE_LIMITED",
    });
    // The session lives: it may be a browser with many tabs.
    const [{ refreshToken: successor } = { refreshToken: "" }] = minted;
    await client.refresh({ refreshToken: successor });
    expect(await refusal(client.refresh({ refreshToken }))).toMatchObject({
      reason: "TOKEN_REUSED",
    });
  });

  test("treats a use after the grace period as theft: both holders are logged out", async () => {
    const stolen = await login();
    const victim = await refresh(stolen);
    await sql`update refresh_tokens set rotate_time = rotate_time - interval '10 seconds' where hash = ${hashRefreshToken(stolen.refreshToken)}`;
    expect(await refusal(refresh(stolen))).toMatchObject({
      code: "Unauthenticated",
      reason: "TOKEN_REUSED",
    });
    expect(await refusal(refresh(victim))).toMatchObject(invalid);
    expect(identity.lines.join("")).toContain("refresh_token_reused");
  });

  test("returns the same token to a retry five seconds later", async () => {
    const parent = await login();
    const child = await refresh(parent);
    await sql`update refresh_tokens set rotate_time = rotate_time - interval '5 seconds' where hash = ${hashRefreshToken(parent.refreshToken)}`;
    expect((await refresh(parent)).refreshToken).toBe(child.refreshToken);
  });

  test("ends with the session, however often it was rotated", async () => {
    const first = await login();
    const second = await refresh(first);
    await sql`update sessions set expire_time = now() where id = (select session_id from refresh_tokens where hash = ${hashRefreshToken(first.refreshToken)})`;
    expect(await refusal(refresh(second))).toMatchObject(invalid);
    expect(await refusal(refresh(first))).toMatchObject(invalid);
  });

  test("refuses a token that was never issued", async () => {
    expect(await refusal(client.refresh({ refreshToken: "A".repeat(43) }))).toMatchObject(invalid);
  });

  test("no stored text is a token", async () => {
    const first = await login();
    const second = await refresh(first);
    const rows = await sql<
      { hash: string; successorNonce: string | null }[]
    >`select hash, successor_nonce from refresh_tokens`;
    const stored = rows.flatMap(({ hash, successorNonce }) => [hash, successorNonce ?? []]).flat();
    for (const { refreshToken } of [first, second]) expect(stored).not.toContain(refreshToken);
    const [{ hash, successorNonce } = { hash: "", successorNonce: "" }] = await sql<
      { hash: string; successorNonce: string }[]
    >`
      select hash, successor_nonce from refresh_tokens where hash = ${hashRefreshToken(first.refreshToken)}`;
    expect(await refusal(client.refresh({ refreshToken: hash }))).toMatchObject(invalid);
    expect(await refusal(client.refresh({ refreshToken: successorNonce }))).toMatchObject(invalid);
    await refresh(second);
  });
});

describe("Logout", () => {
  test("ends the session, by any of its tokens, and returns nothing", async () => {
    const first = await login();
    const second = await refresh(first);
    await logout(first);
    expect(await refusal(refresh(second))).toMatchObject(invalid);
    await logout(second);
    await client.logout({ refreshToken: "A".repeat(43) });
  });

  test("leaves the user's other sessions alone", async () => {
    const account = newAccount();
    await client.register(account);
    const [here, there] = [await client.login(account), await client.login(account)];
    await logout(here);
    await refresh(there);
  });
});

describe("an access token", () => {
  test("can be verified with the published keys alone", async () => {
    const { accessToken, user } = await login();
    const discovery = await fetch(`${identity.url}/.well-known/openid-configuration`);
    expect(await discovery.json()).toMatchObject({
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
    });
    const keys = createRemoteJWKSet(new URL(`${identity.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(accessToken, keys, {
      issuer,
      audience: "tercet",
      typ: "at+jwt",
      algorithms: ["ES256"],
    });
    expect(payload).toMatchObject({ sub: user?.id, roles: ["customer"] });
  });

  test("keys are public halves, with a cache lifetime", async () => {
    const response = await fetch(`${identity.url}/.well-known/jwks.json`);
    expect(response.headers.get("cache-control")).toBe("public, max-age=300");
    expect(response.headers.get("content-type")).toContain("application/json");
    const text = await response.text();
    expect(JSON.parse(text).keys).toEqual([
      {
        kty: "EC",
        crv: "P-256",
        alg: "ES256",
        use: "sig",
        kid: identity.key.kid,
        x: identity.key.x,
        y: identity.key.y,
      },
    ]);
    expect(text + identity.lines.join("")).not.toContain(identity.key.d);
  });

  test("signed as by the service is accepted", async () => {
    const { user } = await login();
    const token = await forge(identity.key, { claims: { sub: user?.id } });
    expect(await client.getMe({}, bearer(token))).toEqual(user);
  });

  test.each<[string, Parameters<typeof forge>[1]]>([
    ["has expired", { issuedAt: -700, expires: -10 }],
    ["is from another issuer", { claims: { iss: "http://elsewhere.test" } }],
    ["is for another service", { claims: { aud: "payment" } }],
    ["is of another type", { header: { typ: "JWT" } }],
    ["names an unknown key", { header: { kid: "../../etc/passwd" } }],
    ["names no key", { header: { kid: undefined } }],
    ["would live too long", { expires: 3_600 }],
    ["has no subject", { claims: { sub: undefined } }],
    ["has no roles", { claims: { roles: undefined } }],
  ])("is refused when it %s", async (_, change) => {
    const token = await forge(identity.key, change);
    expect(await refusal(client.getMe({}, bearer(token)))).toMatchObject({
      code: "Unauthenticated",
      reason: "UNAUTHENTICATED",
    });
  });

  test("is refused when another key has signed it under a published name", async () => {
    const stranger = { ...(await generateSigningKey()), kid: identity.key.kid };
    expect(await refusal(client.getMe({}, bearer(await forge(stranger, {}))))).toMatchObject({
      code: "Unauthenticated",
    });
  });

  test("is refused when it is not signed, or signed with the published key as a secret", async () => {
    const claims = decodeJwt(await forge(identity.key, { claims: { roles: ["admin"] } }));
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const jwks = await (await fetch(`${identity.url}/.well-known/jwks.json`)).text();
    const unsigned = `${encode({ alg: "none", typ: "at+jwt" })}.${encode(claims)}.`;
    const body = `${encode({ alg: "HS256", typ: "at+jwt", kid: identity.key.kid })}.${encode(claims)}`;
    const confused = `${body}.${createHmac("sha256", jwks).update(body).digest("base64url")}`;
    for (const token of [unsigned, confused]) {
      expect(await refusal(client.getMe({}, bearer(token)))).toMatchObject({
        code: "Unauthenticated",
      });
    }
  });

  test("is not a refresh token, nor the other way round", async () => {
    const { accessToken, refreshToken } = await login();
    expect(await refusal(client.getMe({}, bearer(refreshToken)))).toMatchObject({
      code: "Unauthenticated",
    });
    expect((await refusal(client.refresh({ refreshToken: accessToken }))).code).toMatch(
      /InvalidArgument|Unauthenticated/,
    );
  });
});

describe("IssueServiceToken", () => {
  const request = { clientId: "order", clientSecret, audience: "payment" };

  test("issues a token for the service that the client may call, and no other accepts it", async () => {
    const { accessToken, tokenType, expiresIn } = await client.issueServiceToken(request);
    expect({ tokenType, seconds: expiresIn?.seconds }).toEqual({
      tokenType: "Bearer",
      seconds: 600n,
    });
    const keys = createRemoteJWKSet(new URL(`${identity.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(accessToken, keys, {
      issuer,
      audience: "payment",
      typ: "at+jwt",
    });
    expect(payload).toMatchObject({ sub: "order", client_id: "order", roles: ["service"] });
    expect(await refusal(client.getMe({}, bearer(accessToken)))).toMatchObject({
      code: "Unauthenticated",
    });
  });

  test("refuses a wrong secret and an unknown client alike", async () => {
    const wrong = await refusal(
      client.issueServiceToken({ ...request, clientSecret: "a-wrong-secret-but-long-enough" }),
    );
    expect(wrong).toMatchObject(invalid);
    expect(await refusal(client.issueServiceToken({ ...request, clientId: "nobody" }))).toEqual(
      wrong,
    );
  });

  test("refuses an audience that the client is not allowed", async () => {
    const refused = await refusal(client.issueServiceToken({ ...request, audience: "identity" }));
    expect(refused).toMatchObject({ code: "PermissionDenied", reason: "AUDIENCE_NOT_ALLOWED" });
  });

  test("leaves the secret out of the log", async () => {
    await client.issueServiceToken(request);
    expect(identity.lines.join("")).toContain("service_token_issued");
    expect(identity.lines.join("")).not.toContain(clientSecret);
  });
});

test("with a shared secret, tokens are HS256 and no key is published", async () => {
  const secret = "0123456789abcdef0123456789abcdef";
  await using shared = await startIdentity({ TOKEN_SIGNING_KEYS: undefined, TOKEN_SECRET: secret });
  const account = newAccount();
  const user = await shared.client.register(account);
  const { accessToken } = await shared.client.login(account);
  const key = new TextEncoder().encode(secret);
  await jwtVerify(accessToken, key, {
    issuer,
    audience: "tercet",
    typ: "at+jwt",
    algorithms: ["HS256"],
  });
  expect(await shared.client.getMe({}, bearer(accessToken))).toEqual(user);
  expect(await (await fetch(`${shared.url}/.well-known/jwks.json`)).json()).toEqual({ keys: [] });
  const now = Math.floor(Date.now() / 1000);
  const forged = await new SignJWT({
    iss: issuer,
    aud: "tercet",
    sub: user.id,
    jti: randomUUID(),
    roles: ["admin"],
    iat: now,
    exp: now + 600,
  })
    .setProtectedHeader({ alg: "HS256", typ: "at+jwt" })
    .sign(new TextEncoder().encode("another secret of the same length"));
  expect(await refusal(shared.client.getMe({}, bearer(forged)))).toMatchObject({
    code: "Unauthenticated",
  });
});

test("with the memory store, everything works within one process", async () => {
  await using memory = await startIdentity({ IDENTITY_STORE: "memory", DATABASE_URL: undefined });
  const account = newAccount();
  const user = await memory.client.register(account);
  const first = await memory.client.login(account);
  const second = await refresh(first, memory.client);
  expect((await refresh(first, memory.client)).refreshToken).toBe(second.refreshToken);
  expect(await memory.client.getMe({}, bearer(second.accessToken))).toEqual(user);
  expect((await fetch(`${memory.url}/health/ready`)).status).toBe(200);
});

test("a restart over the same database keeps users and sessions", async () => {
  await using database = await startIdentity();
  const account = newAccount();
  const user = await database.client.register(account);
  const { refreshToken } = await database.client.login(account);
  await using restarted = await startIdentity({ DATABASE_URL: database.databaseUrl });
  expect((await restarted.client.refresh({ refreshToken })).user).toEqual(user);
});
