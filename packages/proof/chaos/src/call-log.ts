import { Code, ConnectError } from "@connectrpc/connect";
import { isPassing } from "./passing.ts";

export interface CallLogOptions {
  /** Whether a client must expect a call to fail like this; by default `isPassing`. */
  readonly isExpected?: (error: unknown) => boolean;
  /** How late after its deadline a call may end, in milliseconds; unlimited by default. */
  readonly graceMs?: number;
}

/** Measures calls, and checks I10: each ends in time, with a response or an expected error. */
export class CallLog {
  readonly tookMs: number[] = [];
  /** The number of failed calls by code. */
  readonly failures = new Map<string, number>();
  readonly breaches: string[] = [];
  readonly #options: Required<CallLogOptions>;

  constructor(options: CallLogOptions = {}) {
    this.#options = { isExpected: isPassing, graceMs: Number.POSITIVE_INFINITY, ...options };
  }

  /** Makes one call and rejects as it does. `refusals` are codes that count as responses. */
  async make<T>(
    what: string,
    timeoutMs: number,
    call: () => Promise<T>,
    refusals: readonly Code[] = [],
  ): Promise<T> {
    const start = performance.now();
    try {
      return await call();
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      this.failures.set(Code[code], (this.failures.get(Code[code]) ?? 0) + 1);
      if (!this.#options.isExpected(error) && !refusals.includes(code))
        this.breaches.push(`I10: ${what} ended with ${Code[code]}: ${rawMessage}`);
      throw error;
    } finally {
      const tookMs = performance.now() - start;
      this.tookMs.push(tookMs);
      if (tookMs > timeoutMs + this.#options.graceMs)
        this.breaches.push(
          `I10: ${what} took ${Math.round(tookMs)} ms, its deadline was ${timeoutMs} ms`,
        );
    }
  }
}
