import { Code, ConnectError } from "@connectrpc/connect";
import {
  BrokenCircuitError,
  bulkhead,
  BulkheadRejectedError,
  circuitBreaker,
  CountBreaker,
  ExponentialBackoff,
  fullJitterGenerator,
  handleWhen,
  type IPolicy,
  retry,
  TaskCancelledError,
  timeout,
  TimeoutStrategy,
  wrap,
} from "cockatiel";

/** How calls to one other service are kept from doing harm when it is slow or down. Times in milliseconds. */
export interface ResilienceOptions {
  /** One attempt. */
  readonly attemptTimeoutMs: number;
  /** 1 means no retry: right where the caller retries itself, as a saga does. */
  readonly maxAttempts: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  readonly onRetry?: () => void;
  readonly onBreak?: () => void;
  readonly onReset?: () => void;
}

/** Half of at least 20 calls failing opens the circuit; one probe after 5 s may close it again. */
const BREAKER = { threshold: 0.5, size: 40, minimumNumberOfCalls: 20 };
const HALF_OPEN_AFTER_MS = 5_000;
/** Full jitter from 100 ms to 2 s (AWS Architecture Blog, "Exponential Backoff And Jitter"). */
const BACKOFF = { generator: fullJitterGenerator, initialDelay: 100, maxDelay: 2_000 };

const RETRYABLE = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Aborted]);
/** What tells that the other side is unwell; answers about the request itself do not. */
const UNWELL = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Internal, Code.Unknown, Code.ResourceExhausted]);

const hasCode = (error: unknown, codes: ReadonlySet<Code>) => error instanceof ConnectError && codes.has(error.code);

/** Runs calls; `idempotent` ones may be tried again. */
export interface Resilience {
  run<T>(idempotent: boolean, call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** From inside: a timeout for each attempt, retries with a budget, a breaker, a bulkhead. */
export function createResilience(options: ResilienceOptions): Resilience {
  const attempt = timeout(options.attemptTimeoutMs, TimeoutStrategy.Cooperative);
  const budget = retryBudget();
  const again = retry(
    handleWhen((error) => hasCode(error, RETRYABLE) && budget.take()),
    { maxAttempts: options.maxAttempts - 1, backoff: new ExponentialBackoff(BACKOFF) },
  );
  const breaker = circuitBreaker(
    handleWhen((error) => hasCode(error, UNWELL)),
    { breaker: new CountBreaker(BREAKER), halfOpenAfter: HALF_OPEN_AFTER_MS },
  );
  const limit = bulkhead(options.maxInFlight, options.maxQueued);
  again.onRetry(() => options.onRetry?.());
  breaker.onBreak(() => options.onBreak?.());
  breaker.onReset(() => options.onReset?.());
  const once = wrap(limit, breaker, attempt);
  const repeatedly = options.maxAttempts > 1 ? wrap(limit, breaker, again, attempt) : once;
  return {
    async run(idempotent, call, signal) {
      const policy: IPolicy = idempotent ? repeatedly : once;
      try {
        const result = await policy.execute((context) => timedCall(call, context.signal, signal), signal);
        budget.earn();
        return result;
      } catch (error) {
        throw toConnectError(error);
      }
    },
  };
}

/** Inside the breaker and the retries a timeout must already look like what it is. */
async function timedCall<T>(call: (signal: AbortSignal) => Promise<T>, attempt: AbortSignal, whole: AbortSignal): Promise<T> {
  try {
    return await call(attempt);
  } catch (error) {
    if (attempt.aborted && !whole.aborted) throw new ConnectError("the other service did not answer in time", Code.DeadlineExceeded);
    throw error;
  }
}

function toConnectError(error: unknown): unknown {
  if (error instanceof BrokenCircuitError) return new ConnectError("the other service has been failing; not called", Code.Unavailable);
  if (error instanceof BulkheadRejectedError) return new ConnectError("too many calls to the other service in flight", Code.Unavailable);
  if (error instanceof TaskCancelledError) return new ConnectError("the other service did not answer in time", Code.DeadlineExceeded);
  return error;
}

/** Retries stay a tenth of the traffic: a success earns a tenth of a token, a retry costs one (gRFC A6, retry throttling). */
function retryBudget(max = 10, ratio = 0.1) {
  let tokens = max;
  return {
    earn() {
      tokens = Math.min(max, tokens + ratio);
    },
    take(): boolean {
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
