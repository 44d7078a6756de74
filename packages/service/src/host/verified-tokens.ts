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
  /** Of the call that is being admitted; the only token that is in memory itself. */
  #recent: { readonly token: string; readonly digest: string } | undefined;

  constructor(max = MAX_TOKENS) {
    this.#max = max;
  }

  find(token: string | undefined): Principal | undefined {
    const found = this.#look(token, false);
    return found !== undefined && performance.now() < found.until ? found.principal : undefined;
  }

  /** Returns whose token it was, also after 30 s: to tell callers apart, never to trust them. */
  recall(token: string | undefined): Principal | undefined {
    return this.#look(token, true)?.principal;
  }

  /** @param again whether the same token will be looked up soon, as `find` after `recall` */
  #look(token: string | undefined, again: boolean): Verified | undefined {
    if (token === undefined) return undefined;
    const digest = this.#recent?.token === token ? this.#recent.digest : digestOf(token);
    this.#recent = again ? { token, digest } : undefined;
    return this.#byDigest.get(digest);
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
