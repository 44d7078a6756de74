import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import type { SigningKeys } from "./keys.ts";
import type { User } from "./user.ts";

export interface AccessToken {
  readonly token: string;
  /** Seconds from now. */
  readonly expiresIn: number;
}

export interface AccessTokens {
  forUser(user: User): Promise<AccessToken>;
  /** For `clientId` to call the one service that `audience` names. */
  forService(clientId: string, audience: string): Promise<AccessToken>;
}

export interface AccessTokenPolicy {
  readonly issuer: string;
  /** Whom users' tokens are for: the whole system. */
  readonly audience: string;
  /** Seconds. Verifiers refuse more than 900. */
  readonly lifetime: number;
}

/**
 * JWT access tokens as RFC 9068 has them, but for `client_id` in users' tokens: users log in here
 * without an OAuth client. They carry no name and no address; who needs those asks GetMe.
 */
export function accessTokens(keys: SigningKeys, policy: AccessTokenPolicy): AccessTokens {
  const sign = async (
    subject: string,
    audience: string,
    claims: Record<string, unknown>,
  ): Promise<AccessToken> => {
    const now = Math.floor(Date.now() / 1000);
    const token = await new SignJWT(claims)
      .setProtectedHeader({ ...keys.header, typ: "at+jwt" })
      .setIssuer(policy.issuer)
      .setSubject(subject)
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + policy.lifetime)
      .sign(keys.signWith);
    return { token, expiresIn: policy.lifetime };
  };
  return {
    forUser: (user) => sign(user.id, policy.audience, { roles: user.roles }),
    forService: (clientId, audience) =>
      sign(clientId, audience, { roles: ["service"], client_id: clientId }),
  };
}
