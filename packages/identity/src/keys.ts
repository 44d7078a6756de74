import { createECDH } from "node:crypto";
import type { TokenKeys } from "@tercet/service";
import {
  type CryptoKey,
  calculateJwkThumbprint,
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
} from "jose";
import { z } from "zod";

const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "must be 32 bytes in base64url");

/** A private ES256 key as in TOKEN_SIGNING_KEYS (RFC 7518 section 6.2). */
export const signingJwk = z
  .object({
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    kid: z.string().min(1).max(100),
    x: coordinate,
    y: coordinate,
    d: coordinate,
  })
  // Otherwise every verifier would refuse every token.
  .refine(isPair, { error: "x and y are not the public half of d" });
export type SigningJwk = z.output<typeof signingJwk>;

/** How access tokens are signed: by the first of several key pairs, or with a shared secret. */
export type Signing =
  | { readonly alg: "ES256"; readonly keys: readonly SigningJwk[] }
  | { readonly alg: "HS256"; readonly secret: Uint8Array };

export interface SigningKeys {
  readonly header: { readonly alg: string; readonly kid?: string };
  readonly signWith: CryptoKey | Uint8Array;
  /** For this service's own verification. */
  readonly verifyWith: TokenKeys;
  /** The body of `/.well-known/jwks.json`: public halves only; empty with a shared secret. */
  readonly published: JSONWebKeySet;
}

/**
 * Imports the keys: the first signs, all are published. To rotate without a failed call: add the
 * new key second, wait until every verifier has fetched it (10 minutes), move it first, and remove
 * the old key when its last token has expired (at most 15 minutes later).
 */
export async function importSigningKeys(signing: Signing): Promise<SigningKeys> {
  if (signing.alg === "HS256") {
    const { secret } = signing;
    return {
      header: { alg: "HS256" },
      signWith: secret,
      verifyWith: { secret },
      published: { keys: [] },
    };
  }
  const [first] = signing.keys;
  if (first === undefined) throw new Error("no signing key");
  const published = { keys: signing.keys.map(publicHalf) };
  return {
    header: { alg: "ES256", kid: first.kid },
    signWith: (await importJWK(first, "ES256")) as CryptoKey,
    verifyWith: createLocalJWKSet(published),
    published,
  };
}

/**
 * Generates a private key; its id is its thumbprint (RFC 7638). The value of TOKEN_SIGNING_KEYS is
 * `JSON.stringify({ keys: [key] })`.
 */
export async function generateSigningKey(): Promise<SigningJwk> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(privateKey);
  return signingJwk.parse({ ...jwk, kid: await calculateJwkThumbprint(jwk) });
}

/** Lists each member: one that is not listed can never be published. */
const publicHalf = ({ kty, crv, kid, x, y }: SigningJwk) => ({
  kty,
  crv,
  kid,
  x,
  y,
  alg: "ES256",
  use: "sig",
});

function isPair({ x, y, d }: { x: string; y: string; d: string }): boolean {
  try {
    const ecdh = createECDH("prime256v1");
    ecdh.setPrivateKey(d, "base64url");
    return ecdh
      .getPublicKey()
      .equals(
        Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]),
      );
  } catch {
    return false;
  }
}
