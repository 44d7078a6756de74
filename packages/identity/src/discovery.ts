import type { FastifyInstance } from "fastify";
import type { SigningKeys } from "./keys.ts";

/** Shorter than verifiers cache keys (10 minutes), so that no HTTP cache slows down a rotation. */
const CACHE_CONTROL = "public, max-age=300";

/** Serves the keys (RFC 7517) and their address (OpenID Connect Discovery 1.0 section 4). */
export const discoveryRoutes = (keys: SigningKeys, issuer: string) => (app: FastifyInstance) => {
  const base = issuer.replace(/\/$/, "");
  const configuration = {
    issuer,
    jwks_uri: `${base}/.well-known/jwks.json`,
    // Login is an RPC: there is no browser flow and there are no id tokens.
    response_types_supported: [],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: [keys.header.alg],
    grant_types_supported: ["client_credentials", "refresh_token"],
  };
  app.get("/.well-known/jwks.json", (_request, reply) =>
    reply.header("cache-control", CACHE_CONTROL).send(keys.published),
  );
  app.get("/.well-known/openid-configuration", (_request, reply) =>
    reply.header("cache-control", CACHE_CONTROL).send(configuration),
  );
};
