import { decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { beforeAll, expect, test } from "vitest";
import { generateSigningKey, importSigningKeys, type SigningKeys } from "./keys.ts";
import { type AccessTokens, accessTokens } from "./tokens.ts";

const policy = { issuer: "https://identity.test", audience: "tercet", lifetimeSeconds: 600 };
const user = {
  id: "u1",
  email: "ada@example.com",
  displayName: "Ada",
  roles: ["customer", "operator"] as const,
  createTime: new Date(),
};

const grant = { user, sessionId: "s1", tokenVersion: 3 };

let kid: string;
let tokens: AccessTokens;
beforeAll(async () => {
  const key = await generateSigningKey();
  kid = key.kid;
  tokens = accessTokens(await importSigningKeys({ alg: "ES256", keys: [key] }), policy);
});

test("a user's token has the claims of RFC 9068, and nothing personal", async () => {
  const { token, lifetimeSeconds } = await tokens.forUser(grant);
  expect(lifetimeSeconds).toBe(600);
  expect(decodeProtectedHeader(token)).toEqual({ alg: "ES256", typ: "at+jwt", kid });
  const claims = decodeJwt(token);
  expect(Object.keys(claims).sort()).toEqual([
    "aud",
    "exp",
    "iat",
    "iss",
    "jti",
    "roles",
    "sid",
    "sub",
    "token_version",
  ]);
  expect(claims).toMatchObject({
    iss: policy.issuer,
    aud: "tercet",
    sub: "u1",
    roles: ["customer", "operator"],
    sid: "s1",
    token_version: 3,
  });
  expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(600);
  expect(Math.abs((claims.iat ?? 0) - Date.now() / 1000)).toBeLessThan(60);
});

test("every token has its own id", async () => {
  const [one, other] = await Promise.all([tokens.forUser(grant), tokens.forUser(grant)]);
  expect(decodeJwt(one.token).jti).not.toBe(decodeJwt(other.token).jti);
});

test("a service's token is for one service", async () => {
  const { token } = await tokens.forService("order", "payment");
  expect(decodeJwt(token)).toMatchObject({
    aud: "payment",
    sub: "order",
    client_id: "order",
    roles: ["service"],
  });
});

test("with a shared secret, tokens are HS256", async () => {
  const secret = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
  const keys: SigningKeys = await importSigningKeys({ alg: "HS256", secret });
  const { token } = await accessTokens(keys, policy).forUser(grant);
  const { protectedHeader } = await jwtVerify(token, secret, { algorithms: ["HS256"] });
  expect(protectedHeader).toEqual({ alg: "HS256", typ: "at+jwt" });
});
