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
  const { promise: ended, reject } = Promise.withResolvers<never>();
  // In case that the call throws before it returns a promise.
  ended.catch(() => {});
  const end = (reason: string) => {
    const error = new UnknownOutcomeError(reason);
    over.abort(error);
    reject(error);
  };
  const stop = () => end("the process is stopping");
  const cancel = clock.after(stepTimeoutMs, () =>
    end(`${step} did not respond within ${stepTimeoutMs} ms`),
  );
  // Not `AbortSignal.any`: `stopping` lives as long as the process, and would keep a reference to
  // every attempt.
  stopping.addEventListener("abort", stop, { once: true });
  if (stopping.aborted) stop();
  try {
    return await Promise.race([call(over.signal), ended]);
  } finally {
    cancel();
    stopping.removeEventListener("abort", stop);
  }
}

/** The idempotency key of a step in one direction: the same for every attempt, on every worker. */
export const stepKey = (sagaId: string, step: string, action: SagaAction): string =>
  uuidFrom(`${step}:${action}`, sagaId);
