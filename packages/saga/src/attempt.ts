import { v5 as uuidFrom } from "uuid";
import type { Clock } from "./clock.ts";
import { UnknownOutcomeError } from "./errors.ts";
import type { SagaAction } from "./saga.ts";

export interface AttemptContext {
  readonly clock: Clock;
  /** Aborts when the process can no longer wait for steps in flight. */
  readonly stopping: AbortSignal;
  /** For one attempt of a remote step. */
  readonly stepTimeoutMs: number;
}

/**
 * Calls a remote step once. Ends at the timeout even if the step ignores its signal; the outcome is
 * unknown then.
 */
export async function attempt<T>(
  { clock, stopping, stepTimeoutMs }: AttemptContext,
  step: string,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const waiting = new AbortController();
  // Not `AbortSignal.any`: `stopping` lives as long as the process, and would keep a reference to
  // every attempt.
  const stopWaiting = () => waiting.abort();
  stopping.addEventListener("abort", stopWaiting, { once: true });
  if (stopping.aborted) stopWaiting();
  let settled = false;
  const timedOut = clock.sleep(stepTimeoutMs, waiting.signal).then(() => {
    if (settled) return new Promise<never>(() => {});
    over.abort(
      new UnknownOutcomeError(
        stopping.aborted
          ? "the process is stopping"
          : `${step} did not respond within ${stepTimeoutMs} ms`,
      ),
    );
    throw over.signal.reason;
  });
  try {
    return await Promise.race([call(over.signal), timedOut]);
  } finally {
    settled = true;
    stopWaiting();
    stopping.removeEventListener("abort", stopWaiting);
  }
}

/** The idempotency key of a step in one direction: the same for every attempt, on every worker. */
export const stepKey = (sagaId: string, step: string, action: SagaAction): string =>
  uuidFrom(`${step}:${action}`, sagaId);
