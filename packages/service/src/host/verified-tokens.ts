import { hash } from "node:crypto";
import type { Principal } from "./principal.ts";

/** A key that is withdrawn may count so much longer. */
const BELIEVED_MS = 30_000;
const MAX_TOKENS = 4_096;

interface Verified {
  readonly principal: Principal;
  /** On the clock of `performance.now()`. */
  readonly until: number;
}

/**
 * Tokens that were verified lately: a caller brings the same one again and again. Only what was
 * verified gets in, under its digest, so that neither tokens nor their length are kept; the oldest
 * makes room. It says who is known, never who is refused: what it does not know is verified.
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

  /** For 30 s, and no longer than the token itself is good. */
  add(token: string, principal: Principal, goodForMs: number): void {
    const [oldest] = this.#byDigest.keys();
    if (this.#byDigest.size >= this.#max && oldest !== undefined) this.#byDigest.delete(oldest);
    this.#byDigest.set(digestOf(token), {
      principal,
      until: performance.now() + Math.min(BELIEVED_MS, goodForMs),
    });
  }
}

const digestOf = (token: string): string => hash("sha256", token, "base64");
