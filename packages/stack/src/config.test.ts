import { ROOT } from "@tercet/cli";
import { ConfigError } from "@tercet/service";
import { expect, test } from "vitest";
import { envToConfig } from "./config.ts";

test("by default it uses the known ports, the folder of the root package, and the embedded databases", () => {
  expect(envToConfig({})).toEqual({
    dataDir: `${ROOT}/.data`,
    ports: {
      identity: 5010,
      order: 5011,
      payment: 5012,
      payment_grpc: 50_051,
      edge: 8000,
      edge_grpc: 9080,
      postgres: 5433,
    },
    corsOrigins: ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"],
    databaseUrls: {},
    serviceEnv: { identity: {}, order: {}, payment: {} },
    supervise: true,
  });
});

test("every problem is named at once", () => {
  const problems = problemsOf({
    EDGE_PORT: "http",
    ORDER_PORT: "70000",
    IDENTITY_DATABASE_URL: "mysql://x",
    PAYMENT_DATABASE_URL: "x",
  });
  expect(problems.map((problem) => problem.split(":")[0])).toEqual(
    expect.arrayContaining([
      "EDGE_PORT",
      "ORDER_PORT",
      "IDENTITY_DATABASE_URL",
      "PAYMENT_DATABASE_URL",
    ]),
  );
});

test("two of its parts cannot share a port, unless it is any", () => {
  expect(problemsOf({ ORDER_PORT: "5010" })).toEqual([
    "ORDER_PORT: 5010 is IDENTITY_PORT's already",
  ]);
  expect(envToConfig({ ORDER_PORT: "0", PAYMENT_PORT: "0" }).ports).toMatchObject({
    order: 0,
    payment: 0,
  });
});

test.each([
  "postgres://me:100%secret@db/orders",
  "postgres://me:p@ss@db/orders",
  "postgres://me:pa/ss@db/orders",
])("a database URL that no driver reads is refused in a sentence: %s", (url) => {
  expect(problemsOf({ ORDER_DATABASE_URL: url })).toEqual([
    "ORDER_DATABASE_URL: is not a URL: in its user name and password write @ as %40, / as %2F, ? as %3F, # as %23 and % as %25",
  ]);
});

test("payments may be in MongoDB, and nothing else", () => {
  const url = "mongodb://127.0.0.1/payments";
  expect(envToConfig({ PAYMENT_DATABASE_URL: url }).databaseUrls).toEqual({ payment: url });
  expect(problemsOf({ ORDER_DATABASE_URL: url })).toHaveLength(1);
});

test("each service gets the settings that it reads, and nothing else of the environment", () => {
  const given = {
    LOG_LEVEL: "warn",
    SAGA_LEASE_MS: "2000",
    ABANDON_AFTER_MS: "60000",
    PASSWORD_QUEUE: "8",
    NODE_ENV: "test",
    OTEL_SERVICE_NAME: "x",
    AWS_SECRET_ACCESS_KEY: "secret",
    DATABASE_URL: "postgres://x",
  };
  const common = { LOG_LEVEL: "warn", OTEL_SERVICE_NAME: "x" };
  expect(envToConfig(given).serviceEnv).toEqual({
    identity: { ...common, PASSWORD_QUEUE: "8" },
    order: { ...common, SAGA_LEASE_MS: "2000" },
    payment: { ...common, ABANDON_AFTER_MS: "60000" },
  });
});

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    envToConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
