import { randomUUID } from "node:crypto";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { reasonOf } from "@tercet/service";
import { type TestDatabase, testDatabase } from "@tercet/service/testing";
import { importJWK, SignJWT } from "jose";
import { capturedLog } from "../src/captured-log.testing.ts";
import {
  createIdentityService,
  envToConfig,
  generateSigningKey,
  hashClientSecret,
  type SigningJwk,
} from "../src/index.ts";

export const issuer = "http://identity.test";
export const clientSecret = "the-order-service-has-this-secret";
const admin = { email: "admin@example.com", password: "the admin's password" };

/** Tests share one address. What has limits of its own sets these to undefined. */
const NO_LIMITS = {
  LOGIN_FAILURES_PER_ADDRESS: "1000000",
  LOGIN_FAILURES_IN_ALL: "1000000",
  REGISTRATIONS_PER_ADDRESS: "1000000",
  REGISTRATIONS_IN_ALL: "1000000",
};

export type IdentityClient = Client<typeof IdentityService>;

export interface Harness extends AsyncDisposable {
  readonly url: string;
  readonly databaseUrl: string;
  readonly client: IdentityClient;
  readonly key: SigningJwk;
  /** Every line the service logs. */
  readonly lines: readonly string[];
}

/** The service on a port of its own, over a database of its own. */
export async function startIdentity(
  env: Record<string, string | undefined> = {},
): Promise<Harness> {
  const [database, key] = await Promise.all([testDatabase(), generateSigningKey()]);
  const { log, lines } = capturedLog();
  const config = envToConfig({
    HOST: "127.0.0.1",
    PORT: "0",
    CALLER_CALLS_PER_SECOND: "0",
    ADDRESS_CALLS_PER_SECOND: "0",
    MIN_WORKING_CALLS: "1000",
    TOKEN_ISSUER: issuer,
    DATABASE_URL: database.url,
    TOKEN_SIGNING_KEYS: JSON.stringify({ keys: [key] }),
    SERVICE_CLIENTS: JSON.stringify([
      { id: "order", secretHash: hashClientSecret(clientSecret), audiences: ["payment"] },
    ]),
    ...NO_LIMITS,
    SEED_USERS: JSON.stringify([{ ...admin, displayName: "Admin", roles: ["admin"] }]),
    ...env,
  });
  const service = await createIdentityService(config, { log });
  const client = createClient(
    IdentityService,
    createConnectTransport({ baseUrl: service.url, httpVersion: "1.1" }),
  );
  return {
    url: service.url,
    databaseUrl: database.url,
    client,
    key,
    lines,
    [Symbol.asyncDispose]: () => stop(service, database),
  };
}

async function stop(service: AsyncDisposable, database: TestDatabase): Promise<void> {
  await service[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
}

export const newAccount = (changes: { email?: string; displayName?: string } = {}) => ({
  email: `${randomUUID()}@example.com`,
  password: "correct horse battery",
  displayName: "Ada",
  requestId: randomUUID() as string,
  ...changes,
});

export const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

export async function adminToken(client: IdentityClient): Promise<string> {
  return (await client.login(admin)).accessToken;
}

/** What a caller can tell about a refusal. */
export interface Refusal {
  readonly code: string;
  readonly reason: string | undefined;
  readonly message: string;
  readonly retryAfter: number | undefined;
}

export async function refusal(call: Promise<unknown>): Promise<Refusal> {
  try {
    await call;
  } catch (error) {
    const failure = ConnectError.from(error);
    const retryAfter = failure.metadata.get("retry-after");
    return {
      code: Code[failure.code] ?? "",
      reason: reasonOf(failure),
      message: failure.rawMessage,
      retryAfter: retryAfter === null ? undefined : Number(retryAfter),
    };
  }
  throw new Error("it was not refused");
}

/** A token as a forger, or a bug, could make it. Times in seconds from now. */
export async function forge(
  key: SigningJwk,
  {
    header = {},
    claims = {},
    issuedAt = 0,
    expires = 600,
  }: { header?: object; claims?: object; issuedAt?: number; expires?: number },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const defaults = {
    iss: issuer,
    aud: "tercet",
    sub: randomUUID(),
    jti: randomUUID(),
    roles: ["customer"],
  };
  return await new SignJWT({ ...defaults, iat: now + issuedAt, exp: now + expires, ...claims })
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: key.kid, ...header })
    .sign(await importJWK(key, "ES256"));
}
