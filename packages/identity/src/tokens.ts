import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import type { SigningKeys } from "./keys.ts";
import type { Grant } from "./store.ts";

export interface AccessToken {
  readonly token: string;
  readonly lifetimeSeconds: number;
}

/**
 * No access token lives longer: the 15 minutes that verifiers accept, their tolerance, and the time
 * from the check of a password to the token. Revocations are kept as long.
 */
export const TOKEN_LIFE_MS = 16 * 60_000;

export interface AccessTokens {
  /** By default, `jti` is a new one. */
  forUser(grant: Grant, jti?: string): Promise<AccessToken>;
  /** For `clientId` to call the one service that `audience` names. */
  forService(clientId: string, audience: string): Promise<AccessToken>;
}

export interface AccessTokenPolicy {
  readonly issuer: string;
  /** The audience of users' tokens: the whole system. */
  readonly audience: string;
  /** Verifiers refuse more than 900. */
  readonly lifetimeSeconds: number;
}

/**
 * Issues JWT access tokens as RFC 9068 specifies, except that users' tokens have no `client_id`:
 * users log in without an OAuth client. Tokens carry no name and no address; GetMe returns them.
 */
export function accessTokens(keys: SigningKeys, policy: AccessTokenPolicy): AccessTokens {
  const sign = async (
    subject: string,
    audience: string,
    claims: Record<string, unknown>,
    jti: string = randomUUID(),
  ): Promise<AccessToken> => {
    const now = Math.floor(Date.now() / 1000);
    const token = await new SignJWT(claims)
      .setProtectedHeader({ ...keys.header, typ: "at+jwt" })
      .setIssuer(policy.issuer)
      .setSubject(subject)
      .setAudience(audience)
      .setJti(jti)
      .setIssuedAt(now)
      .setExpirationTime(now + policy.lifetimeSeconds)
      .sign(keys.signWith);
    return { token, lifetimeSeconds: policy.lifetimeSeconds };
  };
  return {
    forUser: ({ user, sessionId, tokenVersion }, jti) => {
      const claims = { roles: user.roles, sid: sessionId, token_version: tokenVersion };
      return sign(user.id, policy.audience, claims, jti);
    },
    forService: (clientId, audience) =>
      sign(clientId, audience, { roles: ["service"], client_id: clientId }),
  };
}
