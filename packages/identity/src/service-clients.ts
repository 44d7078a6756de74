import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { audienceNotAllowed, type IdentityError, invalidCredentials } from "./errors.ts";
import type { IdentityEvents } from "./events.ts";
import type { AccessToken, AccessTokens } from "./tokens.ts";

const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, "must be the SHA-256 of the secret, in lower case hex");

/**
 * A service that may ask for tokens. The secret is random and long, so a plain SHA-256 of it (in
 * hex) is safe to keep in configuration.
 */
export const serviceClient = z.object({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "must be a service's name"),
  secretHash: sha256,
  /** While the secret is rotated: the one before is good as well. */
  previousSecretHash: sha256.optional(),
  audiences: z.array(z.string().min(1)).min(1),
});
export type ServiceClient = z.output<typeof serviceClient>;

/** SHA-256 in hex, as `secretHash` has it. */
export const hashClientSecret = (secret: string): string =>
  createHash("sha256").update(secret).digest("hex");

export interface ServiceTokenRequest {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly audience: string;
}

/**
 * Throws INVALID_CREDENTIALS, alike for an unknown client and a wrong secret, or
 * AUDIENCE_NOT_ALLOWED.
 */
export async function issueServiceToken(
  {
    clients,
    tokens,
    events,
  }: { clients: readonly ServiceClient[]; tokens: AccessTokens; events: IdentityEvents },
  request: ServiceTokenRequest,
): Promise<AccessToken> {
  const refusal = refusalOf(clients, request);
  if (refusal !== undefined) {
    // Only a name that we gave out: whoever mixes up the two fields has put the secret there.
    events.serviceTokenRefused(
      clients.find(({ id }) => id === request.clientId)?.id,
      refusal.reason,
    );
    throw refusal;
  }
  events.serviceTokenIssued(request.clientId, request.audience);
  return await tokens.forService(request.clientId, request.audience);
}

function refusalOf(
  clients: readonly ServiceClient[],
  { clientId, clientSecret, audience }: ServiceTokenRequest,
): IdentityError | undefined {
  const client = clients.find(({ id }) => id === clientId);
  const presented = Buffer.from(hashClientSecret(clientSecret), "hex");
  // Against an impossible hash when the client is unknown or has no other secret, so that all take
  // the same time.
  const matches = [client?.secretHash, client?.previousSecretHash].map((hash) =>
    timingSafeEqual(presented, hash === undefined ? Buffer.alloc(32) : Buffer.from(hash, "hex")),
  );
  const proven = matches.includes(true);
  if (client === undefined || !proven) return invalidCredentials();
  return client.audiences.includes(audience) ? undefined : audienceNotAllowed(audience);
}
