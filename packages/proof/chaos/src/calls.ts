import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { isPassing } from "./passing.ts";

/** How late an answer may be after its deadline. */
const GRACE_MS = 250;

/**
 * I10: every call ends within its deadline and a little, with an answer, a refusal that was to be
 * expected, or word that it may be made again.
 */
export class CallLog {
  calls = 0;
  slowestMs = 0;
  /** Codes of calls that failed, and how often. */
  readonly failures = new Map<string, number>();
  readonly breaches: string[] = [];

  /** One call; rejects as it does. `refusals`: codes that are answers here. */
  async make<T>(
    what: string,
    timeoutMs: number,
    call: (timeoutMs: number) => Promise<T>,
    refusals: readonly Code[] = [],
  ): Promise<T> {
    this.calls++;
    const start = performance.now();
    try {
      return await call(timeoutMs);
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      this.failures.set(Code[code], (this.failures.get(Code[code]) ?? 0) + 1);
      if (!isPassing(error) && !refusals.includes(code))
        this.breaches.push(`I10: ${what} ended with ${Code[code]}: ${rawMessage}`);
      throw error;
    } finally {
      const tookMs = performance.now() - start;
      this.slowestMs = Math.max(this.slowestMs, tookMs);
      if (tookMs > timeoutMs + GRACE_MS)
        this.breaches.push(
          `I10: ${what} took ${Math.round(tookMs)} ms, its deadline was ${timeoutMs} ms`,
        );
    }
  }
}

const BETWEEN_TRIES_MS = 100;

/**
 * As a client does that was told to try again: the same call, until it is answered or refused.
 * Undefined when the signal aborted first.
 */
export async function persistently<T>(
  call: () => Promise<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  while (!signal.aborted)
    try {
      return await call();
    } catch (error) {
      if (!isPassing(error)) throw error;
      await sleep(BETWEEN_TRIES_MS, undefined, { signal }).catch(() => {});
    }
  return undefined;
}
