import { createLocalJWKSet, exportJWK, generateKeyPair, type JWTVerifyGetKey, SignJWT } from "jose";
import postgres from "postgres";
import { readEnv } from "./config.ts";
import { migratePostgres } from "./postgres/migrations.ts";
import { connectPostgres, type Sql } from "./postgres/postgres.ts";
import { atDatabase } from "./urls.ts";

export { type LokiBehaviour, startTestLoki, type TestLoki } from "./telemetry/loki.testing.ts";

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  /** Opens a pool as services have it; end it before the database is disposed of. */
  connect(): Sql;
}

/** Creates a migrated database on the server that the root test set-up started. */
export async function testDatabase(migrations?: URL): Promise<TestDatabase> {
  const { TEST_POSTGRES_URL: server } = readEnv();
  if (server === undefined)
    throw new Error("TEST_POSTGRES_URL is not set: run the tests through vitest at the root");
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  await administer(server, `create database ${name}`);
  const url = atDatabase(server, name);
  if (migrations !== undefined) await migratePostgres(url, migrations);
  return {
    url,
    connect: () => connectPostgres(url),
    [Symbol.asyncDispose]: () => administer(server, `drop database if exists ${name} with (force)`),
  };
}

async function administer(server: string, statement: string): Promise<void> {
  const sql = postgres(server, { max: 1, fetch_types: false, onnotice: () => {} });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

export interface TestClaims {
  readonly sub: string;
  readonly roles: readonly string[];
  readonly aud?: string;
  /** Seconds from now; negative for a token that has expired. */
  readonly expiresIn?: number;
}

export interface TestTokens {
  readonly issuer: string;
  readonly keys: JWTVerifyGetKey;
  sign(claims: TestClaims): Promise<string>;
}

/** Creates an issuer of access tokens like Identity's, for tests of one service alone. */
export async function testTokens(): Promise<TestTokens> {
  const issuer = "http://issuer.test";
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const jwk = { ...(await exportJWK(publicKey)), kid: "test", alg: "ES256", use: "sig" };
  const sign = ({ sub, roles, aud = "tercet", expiresIn = 600 }: TestClaims) => {
    const now = Math.floor(Date.now() / 1000);
    const issuedAt = expiresIn < 0 ? now + expiresIn - 60 : now;
    return new SignJWT({ roles: [...roles] })
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "test" })
      .setIssuer(issuer)
      .setSubject(sub)
      .setAudience(aud)
      .setJti(crypto.randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(now + expiresIn)
      .sign(privateKey);
  };
  return { issuer, keys: createLocalJWKSet({ keys: [jwk] }), sign };
}
