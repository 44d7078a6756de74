import { v5 as uuidFrom } from "uuid";
import type { Clock } from "./clock.ts";
import { UnknownOutcomeError } from "./errors.ts";
import type { SagaAction } from "./saga.ts";

export interface AttemptContext {
  readonly clock: Clock;
  /** Aborts when the process can wait no longer for steps in flight. */
  readonly signal: AbortSignal;
  /** For one attempt of a remote step. */
  readonly stepTimeoutMs: number;
}

/**
 * One call of a remote step. It ends by its timeout even if the step does not listen to its signal;
 * then its outcome is unknown.
 */
export async function attempt<T>(
  context: AttemptContext,
  step: string,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, signal: process, stepTimeoutMs } = context;
  const over = new AbortController();
  const waiting = new AbortController();
  // Not `AbortSignal.any`: the process's signal lives as long as the process, and would keep a
  // trace of every attempt.
  const stopWaiting = () => waiting.abort();
  process.addEventListener("abort", stopWaiting, { once: true });
  if (process.aborted) stopWaiting();
  let answered = false;
  const timedOut = clock.sleep(stepTimeoutMs, waiting.signal).then(() => {
    if (answered) return new Promise<never>(() => {});
    over.abort(
      new UnknownOutcomeError(
        process.aborted
          ? "the process is stopping"
          : `${step} did not answer in ${stepTimeoutMs} ms`,
      ),
    );
    throw over.signal.reason;
  });
  try {
    return await Promise.race([call(over.signal), timedOut]);
  } finally {
    answered = true;
    stopWaiting();
    process.removeEventListener("abort", stopWaiting);
  }
}

/** The idempotency key of a step in one direction: the same for every attempt, on every worker. */
export const stepKey = (sagaId: string, step: string, action: SagaAction): string =>
  uuidFrom(`${step}:${action}`, sagaId);
