import { createHash, createHmac, randomBytes } from "node:crypto";

/** Returns 256 random bits in base64url: a token, or the nonce of a successor. */
export const newRandom = (): string => randomBytes(32).toString("base64url");

/**
 * Returns what is stored of a refresh token: SHA-256, in hex. It needs no salt and no stretching,
 * because the token itself is 256 random bits.
 */
export const hashRefreshToken = (token: string): string =>
  createHash("sha256").update(token).digest("hex");

/**
 * Returns the token that follows `token`: HMAC-SHA-256, keyed with the used token, of the nonce
 * that was stored when it was used, so that it can be computed again if the reply was lost.
 *
 * It takes both. The store has the nonce but only hashes of tokens, so a dump of it yields no
 * token. A thief of an old token has no nonce and cannot compute the tokens after it, so the theft
 * shows as reuse. A key of the server in place of the nonce would do as well, but would be one more
 * secret to keep and to rotate.
 */
export const successorOf = (token: string, nonce: string): string =>
  createHmac("sha256", token)
    .update("tercet refresh token successor\0")
    .update(nonce)
    .digest("base64url");
