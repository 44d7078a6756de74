import { Code, ConnectError } from "@connectrpc/connect";
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  type CircuitState,
  CountBreaker,
  circuitBreaker,
  DelegateBackoff,
  ExponentialBackoff,
  fullJitterGenerator,
  handleWhen,
  type IPolicy,
  retry,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
  wrap,
} from "cockatiel";
import { untilAborted } from "../abort.ts";

/** Limits on the calls to one other service. Times in milliseconds. */
export interface ResilienceOptions {
  /** Of one attempt. */
  readonly attemptTimeoutMs: number;
  /** 1 means no retry: right where the caller itself retries, as a saga does. */
  readonly maxAttempts: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  /** The breaker probes after half of this time to all of it, at random; 2 s by default. */
  readonly halfOpenAfterMs?: number;
}

/** The circuit opens when half of at least 20 calls failed; one successful probe closes it. */
const BREAKER = { threshold: 0.5, size: 40, minimumNumberOfCalls: 20 };
const HALF_OPEN_AFTER_MS = 2_000;
/** Full jitter from 100 ms to 2 s (AWS Architecture Blog, "Exponential Backoff And Jitter"). */
const BACKOFF = { generator: fullJitterGenerator, initialDelay: 100, maxDelay: 2_000 };

const RETRYABLE = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Aborted]);
/** Codes that count as failures of the service; all others are about the request. */
const UNHEALTHY = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.Unknown,
  Code.ResourceExhausted,
]);

/**
 * connect-node reports a reset connection as "aborted". The same code from the service itself is a
 * wire error, and about the request.
 */
const isConnectionReset = (error: unknown) =>
  error instanceof ConnectError && error.code === Code.Aborted && !error.isWireError;
const hasCode = (error: unknown, codes: ReadonlySet<Code>) =>
  error instanceof ConnectError && codes.has(error.code);

export interface Resilience {
  /** Runs a call; retries it if it is `idempotent`. */
  run<T>(
    idempotent: boolean,
    call: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T>;
  /** Of the breaker. */
  readonly state: CircuitState;
}

/**
 * Creates the policies, from the inside: a timeout for each attempt, retries with a budget, a
 * breaker, a bulkhead. `onRetry` is called before each retry.
 */
export function createResilience(options: ResilienceOptions, onRetry: () => void): Resilience {
  const { attemptTimeoutMs, halfOpenAfterMs = HALF_OPEN_AFTER_MS } = options;
  const attempt = timeout(attemptTimeoutMs, TimeoutStrategy.Cooperative);
  const budget = retryBudget();
  const again = retry(
    handleWhen((error) => hasCode(error, RETRYABLE) && budget.left()),
    { maxAttempts: options.maxAttempts - 1, backoff: new ExponentialBackoff(BACKOFF) },
  );
  again.onRetry(() => {
    budget.spend();
    onRetry();
  });
  const breaker = circuitBreaker(
    handleWhen((error) => hasCode(error, UNHEALTHY) || isConnectionReset(error)),
    {
      breaker: new CountBreaker(BREAKER),
      // At random, so that all callers do not probe at once.
      halfOpenAfter: new DelegateBackoff(() => halfOpenAfterMs * (0.5 + Math.random() / 2)),
    },
  );
  const limit = bulkhead(options.maxInFlight, options.maxQueued);
  const once = wrap(limit, breaker, attempt);
  const repeatedly = options.maxAttempts > 1 ? wrap(limit, breaker, again, attempt) : once;
  return {
    get state() {
      return breaker.state;
    },
    async run(idempotent, call, signal) {
      const policy: IPolicy = idempotent ? repeatedly : once;
      try {
        // Also ends a call that is queued or waits for its next attempt.
        const result = await untilAborted(
          policy.execute(
            (context) => timedCall(call, context.signal, signal, attemptTimeoutMs),
            signal,
          ),
          signal,
        );
        budget.earn();
        return result;
      } catch (error) {
        throw toConnectError(error);
      }
    },
  };
}

/**
 * A call that its caller ends before this part of the attempt's timeout does not count against the
 * service.
 */
const CALLER_GAVE_UP_RATIO = 0.9;

/** Gives a failure its code before the breaker and the retries see it. */
async function timedCall<T>(
  call: (signal: AbortSignal) => Promise<T>,
  attempt: AbortSignal,
  whole: AbortSignal,
  timeoutMs: number,
): Promise<T> {
  const started = performance.now();
  try {
    return await untilAborted(call(attempt), attempt);
  } catch (error) {
    const elapsedMs = performance.now() - started;
    if (whole.aborted && elapsedMs < timeoutMs * CALLER_GAVE_UP_RATIO)
      throw new ConnectError("the caller cancelled the call", Code.Canceled);
    if (attempt.aborted)
      throw new ConnectError("the other service did not respond in time", Code.DeadlineExceeded);
    throw error;
  }
}

/** Returns whether the other service was not called, so that the call had no effect. */
export const isNotCalled = ({ cause }: ConnectError): boolean =>
  cause instanceof BrokenCircuitError || cause instanceof BulkheadRejectedError;

function toConnectError(error: unknown): unknown {
  const notCalled = (message: string) =>
    new ConnectError(message, Code.Unavailable, undefined, undefined, error);
  if (error instanceof BrokenCircuitError)
    return notCalled("the other service keeps failing; not called");
  if (error instanceof BulkheadRejectedError)
    return notCalled("too many calls to the other service in flight; not called");
  if (error instanceof TaskCancelledError)
    return new ConnectError("the other service did not respond in time", Code.DeadlineExceeded);
  return error;
}

/**
 * Limits retries to a tenth of the traffic: a success earns a tenth of a token, a retry costs one
 * (gRFC A6, retry throttling).
 */
function retryBudget(max = 10, ratio = 0.1) {
  let tokens = max;
  return {
    earn() {
      tokens = Math.min(max, tokens + ratio);
    },
    left: () => tokens >= 1,
    spend() {
      tokens = Math.max(0, tokens - 1);
    },
  };
}
