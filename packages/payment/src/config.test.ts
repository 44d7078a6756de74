import { describe, expect, test } from "vitest";
import { envToConfig } from "./config.ts";

const env = {
  DATABASE_URL: "postgres://localhost/payment",
  TOKEN_ISSUER: "http://issuer.test",
  JWKS_URL: "http://issuer.test/jwks.json",
};

describe("the configuration", () => {
  test.each([
    ["mongodb://db/payment", "mongodb"],
    ["mongodb+srv://db/payment", "mongodb"],
    ["postgres://db/payment", "postgres"],
    ["postgresql://db/payment", "postgres"],
  ])("%s is a database of kind %s", (url, kind) => {
    expect(envToConfig({ ...env, DATABASE_URL: url }).database).toEqual({ kind, url });
  });

  test("has defaults", () => {
    expect(envToConfig(env)).toMatchObject({
      service: { port: 5012 },
      simulator: { bookDir: ".data/provider-book", limitMinorUnits: 100_000n },
      providerTimeoutMs: 3_000,
      reconciler: {
        intervalMs: 1_000,
        afterMs: 5_000,
        abandonAfterMs: 900_000,
        watchEveryMs: 60_000,
        watchForMs: 86_400_000,
      },
    });
  });

  test("names every problem at once", () => {
    const wrong = { ...env, DATABASE_URL: "mysql://db/payment", PROVIDER_TIMEOUT_MS: "soon" };
    expect(() => envToConfig(wrong)).toThrow(
      /DATABASE_URL: must begin with mongodb:\/\/.*\n.*PROVIDER_TIMEOUT_MS: must be a whole number/,
    );
  });

  test("failpoints are for tests only", () => {
    const armed = { ...env, FAILPOINTS: "before:provider.charge=kill" };
    expect(envToConfig({ ...armed, NODE_ENV: "test" }).failpoints).toHaveLength(1);
    expect(() => envToConfig({ ...armed, NODE_ENV: "production" })).toThrow(
      "FAILPOINTS: needs NODE_ENV=test",
    );
    expect(() =>
      envToConfig({ ...env, NODE_ENV: "test", FAILPOINTS: "before:order.insertOrder=kill" }),
    ).toThrow("before:provider.charge");
  });

  test("a reconciler that would take up charges in progress is refused", () => {
    expect(() => envToConfig({ ...env, PROVIDER_TIMEOUT_MS: "5000" })).toThrow(
      /RECONCILE_AFTER_MS: must be more than PROVIDER_TIMEOUT_MS/,
    );
  });
});
