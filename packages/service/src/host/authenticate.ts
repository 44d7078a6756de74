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
import type { Revocations } from "./revocations.ts";
import { VerifiedTokens } from "./verified-tokens.ts";

/** A function that finds the key of a token, or the shared secret. */
export type TokenKeys = JWTVerifyGetKey | { readonly secret: Uint8Array };

/** What a valid token must contain. */
export interface TokenPolicy {
  readonly issuer: string;
  /** Any of them is accepted: the system's for users, the service's own for other services. */
  readonly audiences: readonly string[];
  /** Where verified tokens are kept; by default in a cache of its own. */
  readonly verified?: VerifiedTokens;
}

/**
 * Verifies an `authorization` header. Returns the caller of a token that is cached as valid without
 * a promise. Rejects with UNAUTHENTICATED with one message for every cause, or with UNAVAILABLE if
 * the keys cannot be fetched.
 */
export type Authenticate = (authorization: string | null) => Principal | Promise<Principal>;

const BEARER = /^Bearer ([A-Za-z0-9._-]+)$/i;
const MAX_TOKEN_CHARS = 8_192;
const MAX_LIFETIME_S = 15 * 60;
const CLOCK_TOLERANCE_S = 5;

const claims = z.object({
  sub: z.string().min(1),
  iat: z.number(),
  exp: z.number(),
  jti: z.string().min(1),
  roles: z.array(z.string()).max(16),
  sid: z.string().optional(),
  token_version: z.int().optional(),
});

const KEYS_FRESH_MS = 5 * 60_000;
const KEYS_MAX_AGE_MS = 20 * 60_000;
const KEYS_COOLDOWN_MS = 30_000;
const KEYS_TIMEOUT_MS = 2_000;
const KEYS_RETRY_MS = 1_000;

/**
 * Returns the keys that `url` publishes. They are fetched on first use, and for an unknown key at
 * most every 30 s; after a failure, at most every second. After 5 minutes they are refreshed in the
 * background; they remain valid for 20, so that the issuer can be down for a quarter of an hour.
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

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

/**
 * Protects an issuer that is down or starts from one request per call. Every response without keys
 * is a failure, whatever its status.
 */
function fetchUnlessFailing(): FetchImplementation {
  let failure: { readonly error: unknown; readonly until: number } | undefined;
  return async (url, options) => {
    if (failure !== undefined && performance.now() < failure.until) throw failure.error;
    try {
      const response = await fetch(url, options);
      if (!response.ok) {
        await response.body?.cancel();
        throw new Error(`${url} responds with status ${response.status}`);
      }
      const set = keySet.safeParse(await response.json());
      // Not the parser's own error, which would blame the token.
      if (!set.success) throw new Error(`${url} sends no key set`, { cause: set.error });
      return Response.json(set.data);
    } catch (error) {
      failure = { error, until: performance.now() + KEYS_RETRY_MS };
      throw error;
    }
  };
}

/** Refuses a token that is in `revocations`, also one that is cached as valid. */
export function createAuthenticate(
  keys: TokenKeys,
  policy: TokenPolicy,
  revocations?: Revocations,
): Authenticate {
  const authenticate = withoutRevocations(keys, policy);
  const unlessRevoked = (caller: Principal) => {
    if (revocations?.includes(caller)) throw unauthenticated();
    return caller;
  };
  return (authorization) => {
    const caller = authenticate(authorization);
    const isKnown = !(caller instanceof Promise) && !revocations?.includes(caller);
    return isKnown ? caller : Promise.resolve(caller).then(unlessRevoked);
  };
}

function withoutRevocations(keys: TokenKeys, policy: TokenPolicy): Authenticate {
  const verify = verifier(keys, policy);
  const verified = policy.verified ?? new VerifiedTokens();
  const verifyAnew = async (authorization: string | null): Promise<Principal> => {
    const token = bearerToken(authorization);
    try {
      const { payload, protectedHeader } = await verify(token);
      const { sub, iat, exp, roles, sid, token_version } = claims.parse(payload);
      // jose accepts a token without `kid` while there is one key, and any lifetime.
      if (protectedHeader.alg !== "HS256" && protectedHeader.kid === undefined)
        throw unauthenticated();
      if (exp - iat > MAX_LIFETIME_S) throw unauthenticated();
      const validForMs = (exp + CLOCK_TOLERANCE_S) * 1_000 - Date.now();
      const caller = {
        subject: sub,
        roles: new Set(roles),
        sessionId: sid,
        tokenVersion: token_version,
        expiresAt: performance.now() + validForMs,
      };
      verified.add(token, caller, validForMs);
      return caller;
    } catch (error) {
      throw refusal(error);
    }
  };
  return (authorization) => verified.find(sentToken(authorization)) ?? verifyAnew(authorization);
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

/**
 * Returns the caller if the token of the header was verified before, without verifying it again: to
 * tell callers apart before they are authenticated.
 */
export function knownCaller(
  verified: VerifiedTokens,
  authorization: string | undefined,
): Principal | undefined {
  return verified.recall(sentToken(authorization));
}

const SCHEME = "Bearer ";

/**
 * Returns what a header has after the usual spelling of its scheme, to look it up among the tokens
 * that were verified, whose form was checked then; undefined for everything else.
 */
const sentToken = (authorization: string | null | undefined): string | undefined =>
  authorization?.startsWith(SCHEME) && authorization.length <= SCHEME.length + MAX_TOKEN_CHARS
    ? authorization.slice(SCHEME.length)
    : undefined;

function bearerToken(authorization: string | null): string {
  const token = authorization?.match(BEARER)?.[1];
  if (token === undefined || token.length > MAX_TOKEN_CHARS) throw unauthenticated();
  return token;
}

/** Codes of jose that blame the keys, not the token. */
const KEY_ERRORS = new Set(["ERR_JOSE_GENERIC", "ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID"]);

function refusal(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (
    error instanceof z.ZodError ||
    (error instanceof errors.JOSEError && !KEY_ERRORS.has(error.code))
  )
    return unauthenticated();
  return new RequestError(
    "UNAVAILABLE",
    "the keys that verify tokens cannot be fetched; try again",
    {},
    { cause: error, retryAfterMs: 1000 },
  );
}

const unauthenticated = () =>
  new RequestError("UNAUTHENTICATED", "a valid bearer token is required");
