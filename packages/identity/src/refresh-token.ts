import { createHash, createHmac, randomBytes } from "node:crypto";

/** 256 random bits in base64url. */
export const newRefreshToken = (): string => randomBytes(32).toString("base64url");

/**
 * What is stored of a refresh token: SHA-256, in hex. Enough without salt or stretching, because
 * the token itself is 256 random bits.
 */
export const hashRefreshToken = (token: string): string =>
  createHash("sha256").update(token).digest("hex");

/**
 * 256 random bits, stored with a used token so that its successor can be told again when the reply
 * was lost.
 */
export const newNonce = (): string => randomBytes(32).toString("base64url");

/**
 * The token that follows `token`: HMAC-SHA-256 under the used token, of the nonce that was stored
 * when it was used.
 *
 * It takes both halves. The store holds the nonce and only hashes of tokens, so a dump of it yields
 * no token. A thief of an old token has no nonce, so the tokens after it cannot be computed, and
 * the theft shows as reuse; were the successor derived from the token alone, they could be. A key
 * of the server's in place of the nonce would do as well, and would be one more secret to keep and
 * to rotate.
 */
export const successorOf = (token: string, nonce: string): string =>
  createHmac("sha256", token)
    .update("tercet refresh token successor\0")
    .update(nonce)
    .digest("base64url");
