import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { audienceNotAllowed, type IdentityError, invalidCredentials } from "./errors.ts";
import * as events from "./events.ts";
import type { IdentityDeps } from "./identity-deps.ts";
import type { AccessToken } from "./tokens.ts";

const sha256Hex = z
  .string()
  .regex(/^[0-9a-f]{64}$/, "must be the SHA-256 of the secret, in lower case hex");

/**
 * A service that may ask for tokens. The secret is random and long, so a plain SHA-256 of it (in
 * hex) is safe to keep in configuration.
 */
export const serviceClient = z.object({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "must be a service's name"),
  secretHash: sha256Hex,
  /** While the secret is rotated: the previous one is valid too. */
  previousSecretHash: sha256Hex.optional(),
  audiences: z.array(z.string().min(1)).min(1),
});
export type ServiceClient = z.output<typeof serviceClient>;

/** Returns the SHA-256 of a secret in hex, as in `secretHash`. */
export const hashClientSecret = (secret: string): string =>
  createHash("sha256").update(secret).digest("hex");

export interface ServiceTokenRequest {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly audience: string;
}

/** Throws INVALID_CREDENTIALS for an unknown client or a wrong secret, or AUDIENCE_NOT_ALLOWED. */
export async function issueServiceToken(
  { clients, tokens, log }: Pick<IdentityDeps, "clients" | "tokens" | "log">,
  request: ServiceTokenRequest,
): Promise<AccessToken> {
  const refusal = refusalOf(clients, request);
  if (refusal !== undefined) {
    // Only the id of a known client: a caller who mixes up the two fields sends the secret here.
    const known = clients.find(({ id }) => id === request.clientId);
    events.serviceTokenRefused(log, known?.id, refusal.reason);
    throw refusal;
  }
  events.serviceTokenIssued(log, request.clientId, request.audience);
  return await tokens.forService(request.clientId, request.audience);
}

function refusalOf(
  clients: readonly ServiceClient[],
  { clientId, clientSecret, audience }: ServiceTokenRequest,
): IdentityError | undefined {
  const client = clients.find(({ id }) => id === clientId);
  const presented = Buffer.from(hashClientSecret(clientSecret), "hex");
  // An unknown client or a missing second secret is compared with an impossible hash, so that all
  // cases take the same time.
  const matches = [client?.secretHash, client?.previousSecretHash].map((hash) =>
    timingSafeEqual(presented, hash === undefined ? Buffer.alloc(32) : Buffer.from(hash, "hex")),
  );
  if (client === undefined || !matches.includes(true)) return invalidCredentials();
  return client.audiences.includes(audience) ? undefined : audienceNotAllowed(audience);
}
