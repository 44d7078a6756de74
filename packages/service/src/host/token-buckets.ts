export interface BucketOptions {
  /** Tokens that come back each second; 0: no limit. */
  readonly perSecond: number;
  /** Tokens of a bucket that is full. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  /** When `tokens` was right, on the clock of `performance.now()`. */
  at: number;
}

/** When it is reached, the key that was seen first is forgotten: its bucket is full again. */
const MAX_KEYS = 20_000;

/** A token bucket for each key: a caller, an address. Takes no timer, and bounded memory. */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #options: BucketOptions;
  readonly #now: () => number;

  constructor(options: BucketOptions, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
  }

  /** Takes the tokens and returns 0, or returns the milliseconds until they are there. */
  take(key: string, cost: number): number {
    const { perSecond } = this.#options;
    if (perSecond === 0) return 0;
    const bucket = this.#bucket(key);
    if (bucket.tokens < cost) return ((cost - bucket.tokens) / perSecond) * 1_000;
    bucket.tokens -= cost;
    return 0;
  }

  /** Takes the tokens also if they are not there, down to a whole burst of debt. */
  charge(key: string, cost: number): void {
    if (this.#options.perSecond === 0) return;
    const bucket = this.#bucket(key);
    bucket.tokens = Math.max(-this.#options.burst, bucket.tokens - cost);
  }

  #bucket(key: string): Bucket {
    const { perSecond, burst } = this.#options;
    const now = this.#now();
    const known = this.#buckets.get(key);
    if (known !== undefined) {
      known.tokens = Math.min(burst, known.tokens + ((now - known.at) / 1_000) * perSecond);
      known.at = now;
      return known;
    }
    const [first] = this.#buckets.keys();
    if (this.#buckets.size >= MAX_KEYS && first !== undefined) this.#buckets.delete(first);
    const bucket = { tokens: burst, at: now };
    this.#buckets.set(key, bucket);
    return bucket;
  }
}
