import { createLocalJWKSet, type JWK, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { generateSigningKey, importSigningKeys, signingJwk } from "./keys.ts";
import { accessTokens } from "./tokens.ts";

const policy = { issuer: "https://identity.test", audience: "tercet", lifetimeSeconds: 600 };
const user = {
  id: "u1",
  email: "a@b.c",
  displayName: "Ada",
  roles: ["customer"] as const,
  createTime: new Date(),
};

describe("published keys", () => {
  test("have no private part, whatever else the configuration contains", async () => {
    const keys = [await generateSigningKey(), { ...(await generateSigningKey()), p: "p", k: "k" }];
    const { published } = await importSigningKeys({ alg: "ES256", keys });
    expect(published.keys.map((key) => Object.keys(key).sort())).toEqual(
      Array(2).fill(["alg", "crv", "kid", "kty", "use", "x", "y"]),
    );
    for (const { d } of keys) expect(JSON.stringify(published)).not.toContain(d);
  });

  test("are none when a secret is shared", async () => {
    const { published } = await importSigningKeys({ alg: "HS256", secret: new Uint8Array(32) });
    expect(published).toEqual({ keys: [] });
  });
});

test("through a rotation, every verifier knows every living token's key", async () => {
  const [older, newer] = [await generateSigningKey(), await generateSigningKey()];
  const stages = await Promise.all(
    [[older], [older, newer], [newer, older], [newer]].map((keys) =>
      importSigningKeys({ alg: "ES256", keys }),
    ),
  );
  const tokens = await Promise.all(
    stages.map((keys) =>
      accessTokens(keys, policy).forUser({ user, sessionId: "s1", tokenVersion: 0 }),
    ),
  );
  // A verifier is at most one stage behind the signer, and a token outlives its stage by at most
  // one.
  for (const [signed, { token }] of tokens.entries()) {
    for (const { published } of stages.slice(Math.max(signed - 1, 0), signed + 2)) {
      const { payload } = await jwtVerify(token, createLocalJWKSet(published));
      expect(payload.sub).toBe("u1");
    }
  }
});

describe("an invalid key", () => {
  test.each<[string, (key: JWK, other: JWK) => JWK]>([
    ["another public half", (key, other) => ({ ...key, x: other.x ?? "", y: other.y ?? "" })],
    ["no private half", ({ d: _, ...key }) => key],
    ["no kid", ({ kid: _, ...key }) => key],
    ["another curve", (key) => ({ ...key, crv: "P-384" })],
    ["another type", (key) => ({ ...key, kty: "RSA" })],
    ["a private half out of range", (key) => ({ ...key, d: "_".repeat(43) })],
  ])("with %s is refused", async (_, spoil) => {
    const [key, other] = [await generateSigningKey(), await generateSigningKey()];
    expect(signingJwk.safeParse(key).success).toBe(true);
    expect(signingJwk.safeParse(spoil(key, other)).success).toBe(false);
  });
});
