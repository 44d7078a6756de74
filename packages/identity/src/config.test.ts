import { ConfigError } from "@tercet/service";
import { describe, expect, test } from "vitest";
import { envToConfig } from "./config.ts";
import { generateSigningKey } from "./keys.ts";

const key = await generateSigningKey();
const signing = { TOKEN_SIGNING_KEYS: JSON.stringify({ keys: [key] }) };
const minimal = {
  TOKEN_ISSUER: "http://localhost:5010",
  DATABASE_URL: "postgres://localhost/identity",
  ...signing,
};

function problems(env: Record<string, string>): readonly string[] {
  try {
    envToConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}
const named = (env: Record<string, string>) =>
  problems(env).map((problem) => problem.split(/[.:]/)[0]);

test("few settings are required", () => {
  expect(envToConfig(minimal)).toMatchObject({
    service: { port: 5010 },
    signing: { alg: "ES256", keys: [key] },
    store: { kind: "postgres", url: minimal.DATABASE_URL },
    accessTokenLifetimeSeconds: 600,
    sessionLifetimeMs: 30 * 24 * 3600 * 1000,
    clients: [],
    seedUsers: [],
  });
});

test("a shared secret replaces the keys", () => {
  const { TOKEN_SIGNING_KEYS: _, ...rest } = minimal;
  const secret = "0123456789abcdef0123456789abcdef";
  expect(envToConfig({ ...rest, TOKEN_SECRET: secret }).signing).toEqual({
    alg: "HS256",
    secret: new TextEncoder().encode(secret),
  });
});

test("the memory store needs no database", () => {
  const { DATABASE_URL: _, ...rest } = minimal;
  expect(named(rest)).toEqual(["DATABASE_URL"]);
  expect(envToConfig({ ...rest, IDENTITY_STORE: "memory" }).store).toEqual({ kind: "memory" });
});

test("every problem is named at once", () => {
  const wrong = {
    IDENTITY_STORE: "floppy",
    SERVICE_CLIENTS: "[{}]",
    SEED_USERS: "no",
    ACCESS_TOKEN_SECONDS: "901",
  };
  expect(new Set(named(wrong))).toEqual(
    new Set([
      "IDENTITY_STORE",
      "SERVICE_CLIENTS",
      "SEED_USERS",
      "ACCESS_TOKEN_SECONDS",
      "TOKEN_ISSUER",
      "TOKEN_SIGNING_KEYS",
    ]),
  );
});

describe("there is no default key", () => {
  const { TOKEN_SIGNING_KEYS: _, ...unsigned } = minimal;
  test.each([
    ["neither", unsigned],
    ["both", { ...minimal, TOKEN_SECRET: "0123456789abcdef0123456789abcdef" }],
    ["an empty set", { ...minimal, TOKEN_SIGNING_KEYS: '{"keys":[]}' }],
    ["one kid twice", { ...minimal, TOKEN_SIGNING_KEYS: JSON.stringify({ keys: [key, key] }) }],
    [
      "half a key",
      { ...minimal, TOKEN_SIGNING_KEYS: JSON.stringify({ keys: [{ ...key, d: undefined }] }) },
    ],
  ])("%s is refused", (_, env) => {
    expect(named(env)).toEqual(["TOKEN_SIGNING_KEYS"]);
  });

  test("a secret of less than 32 characters is refused", () => {
    expect(named({ ...unsigned, TOKEN_SECRET: "x".repeat(31) })).toEqual(["TOKEN_SECRET"]);
  });

  test("an invalid key is not quoted", () => {
    const spoilt = signing.TOKEN_SIGNING_KEYS.slice(0, -1);
    const { d: secret } = key;
    expect(problems({ ...minimal, TOKEN_SIGNING_KEYS: spoilt })).toEqual([
      "TOKEN_SIGNING_KEYS: is not JSON",
    ]);
    const wrong = JSON.stringify({ keys: [{ ...key, crv: "P-384" }] });
    expect(problems({ ...minimal, TOKEN_SIGNING_KEYS: wrong }).join()).not.toContain(secret);
  });
});

test("clients and seed users are parsed", () => {
  const client = { id: "order", secretHash: "0".repeat(64), audiences: ["payment"] };
  const seed = {
    email: "alice@example.com",
    password: "long enough",
    displayName: "Alice",
    roles: ["customer"],
  };
  const env = {
    ...minimal,
    SERVICE_CLIENTS: JSON.stringify([client]),
    SEED_USERS: JSON.stringify([seed]),
  };
  expect(envToConfig(env)).toMatchObject({ clients: [client], seedUsers: [seed] });
  expect(named({ ...env, SERVICE_CLIENTS: JSON.stringify([client, client]) })).toEqual([
    "SERVICE_CLIENTS",
  ]);
  expect(
    named({
      ...env,
      SERVICE_CLIENTS: JSON.stringify([{ ...client, audiences: ["payment", "tercet"] }]),
    }),
  ).toEqual(["SERVICE_CLIENTS"]);
  expect(named({ ...env, SEED_USERS: JSON.stringify([{ ...seed, roles: ["service"] }]) })).toEqual([
    "SEED_USERS",
  ]);
});
