import { Code, ConnectError } from "@connectrpc/connect";
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
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

/**
 * How calls to one other service are kept from doing harm when it is slow or down. Times in
 * milliseconds.
 */
export interface ResilienceOptions {
  /** One attempt. */
  readonly attemptTimeoutMs: number;
  /** 1 means no retry: right where the caller retries itself, as a saga does. */
  readonly maxAttempts: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  /**
   * How long the breaker stays open at most before one call probes, and half of it at least; 2 s by
   * default.
   */
  readonly halfOpenAfterMs?: number;
  readonly onRetry?: () => void;
  readonly onBreak?: () => void;
  readonly onReset?: () => void;
}

/** Half of at least 20 calls failing opens the circuit; one probe may close it again. */
const BREAKER = { threshold: 0.5, size: 40, minimumNumberOfCalls: 20 };
const HALF_OPEN_AFTER_MS = 2_000;
/** Full jitter from 100 ms to 2 s (AWS Architecture Blog, "Exponential Backoff And Jitter"). */
const BACKOFF = { generator: fullJitterGenerator, initialDelay: 100, maxDelay: 2_000 };

const RETRYABLE = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Aborted]);
/** What tells that the other side is unwell; answers about the request itself do not. */
const UNWELL = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.Unknown,
  Code.ResourceExhausted,
]);

/**
 * A connection that is reset is "aborted" to connect-node; a service that says so means the
 * request.
 */
const isReset = (error: unknown) =>
  error instanceof ConnectError && error.code === Code.Aborted && !error.isWireError;
const hasCode = (error: unknown, codes: ReadonlySet<Code>) =>
  error instanceof ConnectError && codes.has(error.code);

/** Callers that were spared the same outage do not probe together. */
const probeDelay =
  (atMostMs = HALF_OPEN_AFTER_MS) =>
  (): number =>
    atMostMs * (0.5 + Math.random() / 2);

/** Runs calls; `idempotent` ones may be tried again. */
export interface Resilience {
  run<T>(
    idempotent: boolean,
    call: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T>;
  /** Of the breaker. */
  readonly state: BreakerState;
}

export type BreakerState = "closed" | "half open" | "open";

const STATES: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: "closed",
  [CircuitState.HalfOpen]: "half open",
  [CircuitState.Open]: "open",
  [CircuitState.Isolated]: "open",
};

/** From inside: a timeout for each attempt, retries with a budget, a breaker, a bulkhead. */
export function createResilience(options: ResilienceOptions): Resilience {
  const attempt = timeout(options.attemptTimeoutMs, TimeoutStrategy.Cooperative);
  const budget = retryBudget();
  const again = retry(
    handleWhen((error) => hasCode(error, RETRYABLE) && budget.left()),
    { maxAttempts: options.maxAttempts - 1, backoff: new ExponentialBackoff(BACKOFF) },
  );
  const breaker = circuitBreaker(
    handleWhen((error) => hasCode(error, UNWELL) || isReset(error)),
    {
      breaker: new CountBreaker(BREAKER),
      halfOpenAfter: new DelegateBackoff(probeDelay(options.halfOpenAfterMs)),
    },
  );
  const limit = bulkhead(options.maxInFlight, options.maxQueued);
  again.onRetry(() => {
    budget.spend();
    options.onRetry?.();
  });
  breaker.onBreak(() => options.onBreak?.());
  breaker.onReset(() => options.onReset?.());
  const once = wrap(limit, breaker, attempt);
  const repeatedly = options.maxAttempts > 1 ? wrap(limit, breaker, again, attempt) : once;
  return {
    get state() {
      return STATES[breaker.state];
    },
    async run(idempotent, call, signal) {
      const policy: IPolicy = idempotent ? repeatedly : once;
      try {
        // A call that waits for its turn, or for its next attempt, does not outlive its caller.
        const result = await untilAborted(
          policy.execute(
            (context) => timedCall(call, context.signal, signal, options.attemptTimeoutMs),
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
 * A caller that gives up before this part of the time an attempt may take says nothing about the
 * other side.
 */
const FAIR_PART = 0.9;

/** Inside the breaker and the retries a failure must already look like what it is. */
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
    const hurried = whole.aborted && performance.now() - started < timeoutMs * FAIR_PART;
    if (hurried) throw new ConnectError("the caller gave up", Code.Canceled);
    if (attempt.aborted)
      throw new ConnectError("the other service did not answer in time", Code.DeadlineExceeded);
    throw error;
  }
}

function toConnectError(error: unknown): unknown {
  if (error instanceof BrokenCircuitError)
    return new ConnectError("the other service has been failing; not called", Code.Unavailable);
  if (error instanceof BulkheadRejectedError)
    return new ConnectError("too many calls to the other service in flight", Code.Unavailable);
  if (error instanceof TaskCancelledError)
    return new ConnectError("the other service did not answer in time", Code.DeadlineExceeded);
  return error;
}

/**
 * Retries stay a tenth of the traffic: a success earns a tenth of a token, a retry costs one (gRFC
 * A6, retry throttling).
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
