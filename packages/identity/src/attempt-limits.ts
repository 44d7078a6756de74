import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";

/** Per `windowMs`, of one process. */
export interface AttemptPolicy {
  readonly perKey: number;
  readonly inAll: number;
  readonly windowMs: number;
}

/** An attempt that is counted until it is taken back. */
export interface Attempt {
  /** 0 if it is admitted; else the milliseconds until the next one is, and it is not counted. */
  readonly waitMs: number;
  /** Which limit refused it. */
  readonly limit: "key" | "all" | undefined;
  takeBack(): Promise<void>;
}

export interface AttemptLimits {
  /** Counts an attempt before its outcome is known, so that concurrent ones are bounded too. */
  count(key: string): Promise<Attempt>;
}

const EVERYONE = "everyone";

/**
 * Limits the attempts under one key, such as an address, and those under all keys together. They
 * are counted in memory, so that a refusal costs microseconds and no query: what bounds guessing
 * for good is the throttle of the account, in the database. A key is kept only for an attempt that
 * counts for all, whose limit bounds how many are kept.
 */
export function attemptLimits({ perKey, inAll, windowMs }: AttemptPolicy): AttemptLimits {
  const duration = windowMs / 1_000;
  const all = new RateLimiterMemory({ points: inAll, duration, keyPrefix: "" });
  const keys = new RateLimiterMemory({ points: perKey, duration, keyPrefix: "" });
  return {
    async count(key) {
      const waitMs = await take(keys, key);
      if (waitMs > 0) return refused(waitMs, "key");
      const allWaitMs = await take(all, EVERYONE);
      if (allWaitMs > 0) {
        await forget(keys, key);
        return refused(allWaitMs, "all");
      }
      const takeBack = async () => {
        await Promise.all([forget(keys, key), all.reward(EVERYONE)]);
      };
      return { waitMs: 0, limit: undefined, takeBack };
    },
  };
}

/** Takes one back, and keeps nothing of a key that has none left. */
async function forget(limiter: RateLimiterMemory, key: string): Promise<void> {
  const { consumedPoints } = await limiter.reward(key);
  if (consumedPoints <= 0) await limiter.delete(key);
}

const refused = (waitMs: number, limit: "key" | "all"): Attempt => ({
  waitMs,
  limit,
  takeBack: async () => {},
});

/** Resolves to 0, or to the milliseconds until there is room; then nothing is taken. */
async function take(limiter: RateLimiterMemory, key: string): Promise<number> {
  try {
    await limiter.consume(key);
    return 0;
  } catch (refusal) {
    if (refusal instanceof Error) throw refusal;
    await limiter.reward(key);
    return Math.max(1, (refusal as RateLimiterRes).msBeforeNext);
  }
}
