import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Stack } from "@tercet/stack";
import { importJWK, type JWK, SignJWT } from "jose";

export interface Claims {
  readonly sub: string;
  readonly roles: readonly string[];
  readonly aud?: string;
  /** Time of issue, in seconds from now. */
  readonly issuedIn?: number;
  /** Time of expiry, in seconds from now. */
  readonly expiresIn?: number;
}

/** Reads the stack's secrets, for tokens that it would not issue. */
export async function readSecrets({
  dataDir,
}: Pick<Stack, "dataDir">): Promise<{ signingKeys: { keys: JWK[] }; orderClientSecret: string }> {
  return JSON.parse(await readFile(join(dataDir, "secrets.json"), "utf8"));
}

/** Signs a token as Identity does, with its own key. */
export async function signToken(
  stack: Pick<Stack, "dataDir" | "urls">,
  claims: Claims,
): Promise<string> {
  const [key] = (await readSecrets(stack)).signingKeys.keys;
  if (key?.kid === undefined) throw new Error("the stack has no signing key");
  return await signTokenWith(key, stack.urls.identity, claims);
}

export async function signTokenWith(key: JWK, issuer: string, claims: Claims): Promise<string> {
  const { sub, roles, aud = "tercet", issuedIn = 0, expiresIn = 600 } = claims;
  const now = Math.floor(Date.now() / 1000);
  return await new SignJWT({ roles: [...roles] })
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: key.kid ?? "" })
    .setIssuer(issuer)
    .setSubject(sub)
    .setAudience(aud)
    .setJti(crypto.randomUUID())
    .setIssuedAt(now + issuedIn)
    .setExpirationTime(now + expiresIn)
    .sign(await importJWK(key, "ES256"));
}
