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

/** One call of a remote step. It ends by its timeout even if the step does not listen to its signal; then its outcome is unknown. */
export async function attempt<T>(context: AttemptContext, step: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, signal: process, stepTimeoutMs } = context;
  const over = new AbortController();
  const answered = new AbortController();
  const timedOut = clock.sleep(stepTimeoutMs, AbortSignal.any([process, answered.signal])).then(() => {
    if (answered.signal.aborted) return new Promise<never>(() => {});
    over.abort(new UnknownOutcomeError(`${step} did not answer in ${stepTimeoutMs} ms`));
    throw over.signal.reason;
  });
  try {
    return await Promise.race([call(AbortSignal.any([process, over.signal])), timedOut]);
  } finally {
    answered.abort();
  }
}

/** The idempotency key of a step in one direction: the same for every attempt, on every worker. */
export const stepKey = (sagaId: string, step: string, action: SagaAction): string => uuidFrom(`${step}:${action}`, sagaId);
