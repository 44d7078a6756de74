import { hash } from "node:crypto";
import type { Principal } from "./principal.ts";

/** A revoked signing key takes this much longer to take effect. */
const CACHED_MS = 30_000;
const MAX_TOKENS = 4_096;

interface Verified {
  readonly principal: Principal;
  /** On the clock of `performance.now()`. */
  readonly until: number;
}

/**
 * A cache of verified tokens. Keys are digests, so that no token is kept in memory. When it is
 * full, the oldest entry is evicted. It never refuses a token: one that it does not know is
 * verified.
 */
export class VerifiedTokens {
  readonly #byDigest = new Map<string, Verified>();
  readonly #max: number;

  constructor(max = MAX_TOKENS) {
    this.#max = max;
  }

  find(token: string): Principal | undefined {
    const found = this.#byDigest.get(digestOf(token));
    return found !== undefined && performance.now() < found.until ? found.principal : undefined;
  }

  /** Returns whose token it was, also after 30 s: to tell callers apart, never to trust them. */
  recall(token: string): Principal | undefined {
    return this.#byDigest.get(digestOf(token))?.principal;
  }

  /** Caches it for 30 s, never past its expiry. */
  add(token: string, principal: Principal, validForMs: number): void {
    const [oldest] = this.#byDigest.keys();
    if (this.#byDigest.size >= this.#max && oldest !== undefined) this.#byDigest.delete(oldest);
    this.#byDigest.set(digestOf(token), {
      principal,
      until: performance.now() + Math.min(CACHED_MS, validForMs),
    });
  }
}

const digestOf = (token: string): string => hash("sha256", token, "base64");
