import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import { z } from "zod";
import { RequestError } from "../errors.ts";
import type { Principal } from "./principal.ts";
import { VerifiedTokens } from "./verified-tokens.ts";

/** Finds the key that verifies a token. */
export type TokenKeys = JWTVerifyGetKey | { readonly secret: Uint8Array };

/** What a token must say to be believed. */
export interface TokenPolicy {
  readonly issuer: string;
  /**
   * A token is accepted for any of these: the system's name for users' tokens, the service's own
   * for those of other services.
   */
  readonly audiences: readonly string[];
}

/**
 * Verifies an `authorization` header. Throws UNAUTHENTICATED with one message for every cause, or
 * UNAVAILABLE when the keys cannot be had.
 */
export type Authenticate = (authorization: string | null) => Promise<Principal>;

const MAX_TOKEN_CHARS = 8_192;
const MAX_LIFETIME_S = 15 * 60;
const CLOCK_TOLERANCE_S = 5;

const claims = z.object({
  sub: z.string().min(1),
  iat: z.number(),
  exp: z.number(),
  jti: z.string().min(1),
  roles: z.array(z.string()).max(16),
});

const KEYS_FRESH_MS = 5 * 60_000;
const KEYS_MAX_AGE_MS = 20 * 60_000;
const KEYS_COOLDOWN_MS = 30_000;
const KEYS_TIMEOUT_MS = 2_000;
const KEYS_RETRY_MS = 1_000;

/**
 * The keys that `url` publishes: fetched when first needed, and for an unknown key at most every 30
 * s; after a failure, at most every second. When 5 minutes old they are fetched anew behind the
 * calls that use them, and they are good for 20: an issuer may be away for a quarter of an hour.
 */
export function remoteKeys(url: string): TokenKeys {
  const remote = createRemoteJWKSet(new URL(url), {
    cacheMaxAge: KEYS_MAX_AGE_MS,
    cooldownDuration: KEYS_COOLDOWN_MS,
    timeoutDuration: KEYS_TIMEOUT_MS,
    [customFetch]: fetchUnlessFailing(),
  });
  let renewAt = performance.now() + KEYS_FRESH_MS;
  return async (header, token) => {
    const now = performance.now();
    if (now >= renewAt) {
      renewAt = now + KEYS_FRESH_MS;
      remote.reload().catch(() => {
        renewAt = now + KEYS_COOLDOWN_MS;
      });
    }
    return remote(header, token);
  };
}

/** An issuer that is down or starting must not be met by a request for each token that comes. */
function fetchUnlessFailing(): FetchImplementation {
  let failure: { readonly error: unknown; readonly until: number } | undefined;
  return async (url, options) => {
    if (failure !== undefined && performance.now() < failure.until) throw failure.error;
    try {
      return await fetch(url, options);
    } catch (error) {
      failure = { error, until: performance.now() + KEYS_RETRY_MS };
      throw error;
    }
  };
}

export function createAuthenticate(keys: TokenKeys, policy: TokenPolicy): Authenticate {
  const verify = verifier(keys, policy);
  const verified = new VerifiedTokens();
  return async (authorization) => {
    const token = bearerToken(authorization);
    const known = verified.find(token);
    if (known !== undefined) return known;
    try {
      const { payload, protectedHeader } = await verify(token);
      const { sub, iat, exp, roles } = claims.parse(payload);
      // jose accepts a token without `kid` while there is one key, and any lifetime.
      if (protectedHeader.alg !== "HS256" && protectedHeader.kid === undefined)
        throw unauthenticated();
      if (exp - iat > MAX_LIFETIME_S) throw unauthenticated();
      const caller = { subject: sub, roles: new Set(roles) };
      verified.add(token, caller, (exp + CLOCK_TOLERANCE_S) * 1_000 - Date.now());
      return caller;
    } catch (error) {
      throw refusal(error);
    }
  };
}

function verifier(keys: TokenKeys, policy: TokenPolicy) {
  const options = {
    issuer: policy.issuer,
    audience: [...policy.audiences],
    typ: "at+jwt",
    clockTolerance: CLOCK_TOLERANCE_S,
    maxTokenAge: MAX_LIFETIME_S,
    requiredClaims: ["sub", "iat", "exp", "jti", "roles"],
  };
  return typeof keys === "function"
    ? (token: string) => jwtVerify(token, keys, { ...options, algorithms: ["ES256"] })
    : (token: string) => jwtVerify(token, keys.secret, { ...options, algorithms: ["HS256"] });
}

function bearerToken(authorization: string | null): string {
  const token = authorization?.match(/^Bearer ([A-Za-z0-9._-]+)$/i)?.[1];
  if (token === undefined || token.length > MAX_TOKEN_CHARS) throw unauthenticated();
  return token;
}

/** What jose says when it is the keys, and not the token, that are at fault. */
const ABOUT_THE_KEYS = new Set(["ERR_JOSE_GENERIC", "ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID"]);

function refusal(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (
    error instanceof z.ZodError ||
    (error instanceof errors.JOSEError && !ABOUT_THE_KEYS.has(error.code))
  )
    return unauthenticated();
  return new RequestError(
    "UNAVAILABLE",
    "the keys that verify tokens cannot be had at the moment; try again",
    {},
    { cause: error, retryAfterMs: 1000 },
  );
}

const unauthenticated = () =>
  new RequestError("UNAUTHENTICATED", "a valid bearer token is required");
