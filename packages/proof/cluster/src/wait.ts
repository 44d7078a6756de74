import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "@tercet/cli";

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Throws if waiting is in vain. */
  readonly check?: () => Promise<void>;
  /** What is added to the error; by default nothing. */
  readonly explain?: () => Promise<string>;
}

/**
 * Asks until the result is neither undefined nor false. `what` completes "... for 60 s". Throws
 * CommandError after the time, with the last error.
 */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  { timeoutMs, signal, check, explain }: WaitOptions,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last = "";
  for (;;) {
    signal.throwIfAborted();
    await check?.();
    const found = await ask().catch((error: unknown) => {
      last = `: ${error instanceof Error ? error.message : String(error)}`;
      return undefined;
    });
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) {
      const more = explain === undefined ? "" : `\n${await explain()}`;
      throw new CommandError(`${what} for ${timeoutMs / 1_000} s${last}${more}`);
    }
    await sleep(250, undefined, { signal });
  }
}
