import { Code, ConnectError } from "@connectrpc/connect";
import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
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
  wrap,
} from "cockatiel";
import { untilAborted, withTimeout } from "../abort.ts";
import { type CommonReason, reasonOf } from "../errors.ts";
import { BulkheadFullError, FairBulkhead } from "./fair-bulkhead.ts";

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
/** Codes of failures of the service, if they come without a reason. */
const UNHEALTHY = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.Unknown,
  Code.ResourceExhausted,
]);
/**
 * Reasons of failures of the service. Every other reason is about the request: the service works,
 * and says why it did not do this.
 */
const UNHEALTHY_REASONS: ReadonlySet<string> = new Set<CommonReason>([
  "OVERLOADED",
  "UNAVAILABLE",
  "DATABASE_BUSY",
  "INTERNAL",
]);
/** Codes that one request can cause alone: a bank that does not respond, a defect. */
const AMBIGUOUS = new Set([Code.DeadlineExceeded, Code.Internal, Code.Unknown]);
/** Of these failures, the breaker counts this many of one key in its window. */
const MAX_AMBIGUOUS_PER_KEY = 4;
/** One customer, or one card, may use this part of the calls in flight. */
const SHARE = 1 / 8;

/**
 * connect-node reports a reset connection as "aborted". The same code from the service itself is a
 * wire error, and about the request.
 */
const isConnectionReset = (error: unknown) =>
  error instanceof ConnectError && error.code === Code.Aborted && !error.isWireError;
const hasCode = (error: unknown, codes: ReadonlySet<Code>) =>
  error instanceof ConnectError && codes.has(error.code);

/** Whether the failure says that the service is unwell; others are about the request. */
function isUnhealthy(error: unknown): boolean {
  if (isConnectionReset(error)) return true;
  if (!(error instanceof ConnectError)) return false;
  const reason = reasonOf(error);
  return reason === undefined ? UNHEALTHY.has(error.code) : UNHEALTHY_REASONS.has(reason);
}

/** A method, and what is known of its call. */
interface CalledMethod {
  /** "payment.v1.PaymentService/GetPayment" */
  readonly name: string;
  /** Then a call is retried. */
  readonly idempotent: boolean;
  /** Whom the call serves; see `onBehalfOf`. */
  readonly keys: readonly string[];
}

export interface ResilienceEvents {
  /** Before each retry. */
  onRetry(): void;
  /** The breaker has opened on this failure of this method. A failed probe keeps it open. */
  onOpened(method: string, error: unknown): void;
  /** A probe of this method succeeded, and the breaker is closed again. */
  onClosed(method: string, openMs: number): void;
}

export interface Resilience {
  run<T>(
    method: CalledMethod,
    call: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T>;
  /** Of the breaker. */
  readonly state: CircuitState;
}

/**
 * Creates the policies, from the inside: a timeout for each attempt, retries with a budget, a
 * breaker, a bulkhead.
 */
export function createResilience(
  options: ResilienceOptions,
  { onRetry, ...breakerEvents }: ResilienceEvents,
): Resilience {
  const { attemptTimeoutMs, halfOpenAfterMs = HALF_OPEN_AFTER_MS } = options;
  const budget = retryBudget();
  const again = retry(
    handleWhen((error) => hasCode(error, RETRYABLE) && budget.left()),
    { maxAttempts: options.maxAttempts - 1, backoff: new ExponentialBackoff(BACKOFF) },
  );
  again.onRetry(() => {
    budget.spend();
    onRetry();
  });
  const counted = evidenceByKey();
  const breaker = circuitBreaker(
    handleWhen(
      (error) =>
        isUnhealthy(error) &&
        (breaker.state !== CircuitState.Closed || counted.isEvidence(error as ConnectError)),
    ),
    {
      breaker: new CountBreaker(BREAKER),
      // At random, so that all callers do not probe at once.
      halfOpenAfter: new DelegateBackoff(() => halfOpenAfterMs * (0.5 + Math.random() / 2)),
    },
  );
  const named = observeTransitions(breaker, breakerEvents);
  const limit = new FairBulkhead({ ...options, share: SHARE });
  const repeatedly = options.maxAttempts > 1 ? wrap(breaker, again) : breaker;
  return {
    get state() {
      return breaker.state;
    },
    async run({ name, idempotent, keys }, call, signal) {
      const policy: IPolicy = idempotent ? repeatedly : breaker;
      const attempts = () =>
        policy.execute(async (context) => {
          const timed = timedCall(call, context.signal, signal, attemptTimeoutMs);
          return counted.note(keys, named(name, timed));
        }, signal);
      try {
        // Also ends a call that is queued or waits for its next attempt.
        const result = await untilAborted(limit.run(keys, signal, attempts), signal);
        budget.earn();
        return result;
      } catch (error) {
        throw toConnectError(error);
      }
    },
  };
}

/**
 * Emits the breaker's transitions between closed and not closed, once each. Returns a function that
 * watches a call of a method, since the breaker itself does not know methods.
 */
function observeTransitions(
  breaker: CircuitBreakerPolicy,
  { onOpened, onClosed }: Pick<ResilienceEvents, "onOpened" | "onClosed">,
): <T>(method: string, call: Promise<T>) => Promise<T> {
  const failed = new WeakMap<ConnectError, string>();
  let openedAt: number | undefined;
  let probed = "";
  breaker.onBreak((reason) => {
    if (openedAt !== undefined || !("error" in reason)) return;
    openedAt = performance.now();
    const { error } = reason;
    onOpened((error instanceof ConnectError && failed.get(error)) || "", error);
  });
  breaker.onReset(() => {
    onClosed(probed, performance.now() - (openedAt ?? 0));
    openedAt = undefined;
  });
  return async (method, call) => {
    // Half open, the breaker lets one call through at a time.
    if (breaker.state === CircuitState.HalfOpen) probed = method;
    try {
      return await call;
    } catch (error) {
      if (error instanceof ConnectError) failed.set(error, method);
      throw error;
    }
  };
}

/**
 * Keeps one customer or card from opening the breaker alone: of the failures that one request can
 * cause, each key counts a few times among the last that the breaker remembers.
 */
function evidenceByKey() {
  const keysOf = new WeakMap<ConnectError, readonly string[]>();
  /** The keys of the last failures, oldest first. */
  const recent: (readonly string[])[] = [];
  return {
    async note<T>(keys: readonly string[], call: Promise<T>): Promise<T> {
      try {
        return await call;
      } catch (error) {
        if (error instanceof ConnectError) keysOf.set(error, keys);
        throw error;
      }
    },
    isEvidence(error: ConnectError): boolean {
      const keys = keysOf.get(error) ?? [];
      if (keys.length === 0 || !AMBIGUOUS.has(error.code)) return true;
      const seen = (key: string) => recent.filter((one) => one.includes(key)).length;
      const known = keys.some((key) => seen(key) >= MAX_AMBIGUOUS_PER_KEY);
      recent.push(keys);
      if (recent.length > BREAKER.size) recent.shift();
      return !known;
    },
  };
}

/**
 * A call that its caller ends before this part of the attempt's timeout does not count against the
 * service.
 */
const CALLER_GAVE_UP_RATIO = 0.9;

/** Limits an attempt, and gives a failure its code before the breaker and the retries see it. */
async function timedCall<T>(
  call: (signal: AbortSignal) => Promise<T>,
  policies: AbortSignal,
  whole: AbortSignal,
  timeoutMs: number,
): Promise<T> {
  const started = performance.now();
  using timed = withTimeout(policies, timeoutMs);
  const { signal: attempt } = timed;
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
  cause instanceof BrokenCircuitError || cause instanceof BulkheadFullError;

function toConnectError(error: unknown): unknown {
  const notCalled = (message: string) =>
    new ConnectError(message, Code.Unavailable, undefined, undefined, error);
  if (error instanceof BrokenCircuitError)
    return notCalled("the other service keeps failing; not called");
  if (error instanceof BulkheadFullError)
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
