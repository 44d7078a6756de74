import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { ConfigError, type Env, integer, parseEnv, serviceConfig, serviceEnv } from "./config.ts";

const shape = z.object({
  ...serviceEnv(5011),
  DATABASE_URL: z.url(),
  SEED: z.stringbool().default(false),
});
const good = { TOKEN_ISSUER: "http://identity:5010", DATABASE_URL: "postgres://db/orders" };

const problemsOf = (run: () => unknown): readonly string[] => {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};
const problems = (env: Env) => problemsOf(() => parseEnv("order", shape, env));

describe("parseEnv", () => {
  test("gives defaults", () => {
    const env = parseEnv("order", shape, good);
    expect(env).toMatchObject({
      HOST: "0.0.0.0",
      PORT: 5011,
      DEFAULT_TIMEOUT_MS: 10_000,
      MAX_TIMEOUT_MS: 30_000,
      FAST_PATH: true,
      READ_MAX_BYTES: 65_536,
      CORS_ORIGINS: [],
    });
  });

  test("names every problem at once, missing and malformed", () => {
    const found = problems({
      PORT: "http",
      LOG_LEVEL: "loud",
      FAST_PATH: "false",
      TOKEN_SECRET: "hunter2",
      TOKEN_ISSUER: "identity",
    });
    expect(found.map((problem) => problem.split(":")[0])).toEqual([
      "PORT",
      "LOG_LEVEL",
      "TOKEN_ISSUER",
      "TOKEN_SECRET",
      "FAST_PATH",
      "DATABASE_URL",
    ]);
    expect(found).toContain("FAST_PATH: must be on or off");
    expect(found).toContain("DATABASE_URL: is not set");
    expect(found).toContain("PORT: must be a whole number");
    expect(found.join()).not.toContain("hunter2");
  });

  test("lists them in one message that names the service", () => {
    expect(() => parseEnv("order", shape, {})).toThrow(
      /^order cannot start.*\n {2}TOKEN_ISSUER: is not set\n {2}DATABASE_URL: is not set$/,
    );
  });

  test("treats an empty variable as unset", () => {
    expect(problems({ ...good, TOKEN_ISSUER: "" })).toEqual(["TOKEN_ISSUER: is not set"]);
    expect(parseEnv("order", shape, { ...good, PORT: "", HOST: "" })).toMatchObject({
      PORT: 5011,
      HOST: "0.0.0.0",
    });
  });

  test.each(["65536", "-1", "1.5", "1e3", "0x10", " 80", "99999999999999999999"])(
    "PORT=%j is refused",
    (PORT) => {
      expect(problems({ ...good, PORT })).toHaveLength(1);
    },
  );

  test("reads lists", () => {
    expect(
      parseEnv("order", shape, { ...good, CORS_ORIGINS: " https://a.example, ,https://b.example" })
        .CORS_ORIGINS,
    ).toEqual(["https://a.example", "https://b.example"]);
  });

  test.each([
    ["https://shop.example"],
    ["http://localhost:5173"],
    ["http://localhost:*"],
    ["http://[::1]:*"],
    ["capacitor://localhost"],
  ])("%s is an origin", (CORS_ORIGINS) => {
    expect(parseEnv("order", shape, { ...good, CORS_ORIGINS }).CORS_ORIGINS).toEqual([
      CORS_ORIGINS,
    ]);
  });

  test.each([
    ["https://shop.example/", 'write "https://shop.example"'],
    ["*", 'write "https://shop.example"'],
    ["localhost:5173", 'write "https://shop.example"'],
    ["https://*.example", 'write "https://shop.example"'],
    ["https://Shop.example", "in lower case"],
    ["https://shop.example:443", 'write "https://shop.example"'],
    ["http://[::0:1]:*", 'write "http://[::1]"'],
    ["http://localhost:99999", "is not an origin"],
  ])("%s, which no browser sends, is refused as an origin", (CORS_ORIGINS, advice) => {
    const found = problems({ ...good, CORS_ORIGINS: `https://a.example,${CORS_ORIGINS}` });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^CORS_ORIGINS: "/);
    expect(found[0]).toContain(advice);
  });

  test("integer enforces its limits", () => {
    const count = z.object({ N: integer(3, 2, 4) });
    expect(parseEnv("x", count, {})).toEqual({ N: 3 });
    expect(parseEnv("x", count, { N: "4" })).toEqual({ N: 4 });
    expect(problemsOf(() => parseEnv("x", count, { N: "5" }))).toEqual(["N: must be from 2 to 4"]);
  });
});

describe("serviceConfig", () => {
  test.each([
    [{}, "development"],
    [{ NODE_ENV: "production" }, "production"],
    [{ NODE_ENV: "production", ENVIRONMENT: "staging-2" }, "staging-2"],
  ])("%j is the environment %s", (env, environment) => {
    expect(config(env).log).toEqual({ level: "info", environment, lokiUrl: undefined });
  });

  test("refuses an invalid ENVIRONMENT and LOKI_URL, without repeating their values", () => {
    const found = problems({ ...good, ENVIRONMENT: "Team A", LOKI_URL: "loki:hunter2@host" });
    expect(found.map((problem) => problem.split(":")[0])).toEqual(["ENVIRONMENT", "LOKI_URL"]);
    expect(found.join()).not.toContain("hunter2");
  });

  const folder = mkdtempSync(join(tmpdir(), "tercet-config-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const config = (env: Env) => serviceConfig(parseEnv("order", shape, { ...good, ...env }));

  test("is cleartext without a certificate", () => {
    expect(config({}).tls).toBeUndefined();
  });

  test("reads the certificate files", () => {
    const path = join(folder, "pem");
    writeFileSync(path, "PEM");
    expect(config({ TLS_CERT: path, TLS_KEY: path }).tls).toEqual({ cert: "PEM", key: "PEM" });
    expect(config({ TLS_CERT: path, TLS_KEY: path, TLS_CLIENT_CA: path }).tls).toEqual({
      cert: "PEM",
      key: "PEM",
      clientCa: "PEM",
    });
  });

  test("refuses half a pair, a CA without a pair, and unreadable files, all at once", () => {
    expect(problemsOf(() => config({ TLS_CERT: "/no/cert", TLS_CLIENT_CA: "/no/ca" }))).toEqual([
      "TLS_CERT: /no/cert cannot be read (ENOENT)",
      "TLS_CLIENT_CA: /no/ca cannot be read (ENOENT)",
      "TLS_CERT and TLS_KEY: set both or none",
    ]);
    expect(problemsOf(() => config({ TLS_CLIENT_CA: "/no/ca" }))).toContain(
      "TLS_CLIENT_CA: needs TLS_CERT and TLS_KEY",
    );
  });
});
