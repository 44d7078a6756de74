import { type CallOptions, createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { ObservedCall } from "../telemetry/rpc-telemetry.ts";

export const CORRELATION_HEADER = "x-correlation-id";
const CORRELATION_PATTERN = /^[A-Za-z0-9._-]{1,128}$/;
/** A hop gives the next one a little less than it has, so that it can still answer itself. */
const HOP_MARGIN_MS = 50;

/** What belongs to one call, besides its caller. */
export interface Call {
  readonly correlationId: string;
  /** On the clock of `performance.now()`; undefined for streams without a deadline. */
  readonly deadline: number | undefined;
  /** Undefined outside of a service. */
  readonly observed?: ObservedCall;
}

export const callKey = createContextKey<Call>(
  { correlationId: "", deadline: undefined },
  { description: "correlation id and deadline" },
);

/** The caller's correlation id when it is well formed, else a new one. */
export const correlationId = (given: string | null): string =>
  given !== null && CORRELATION_PATTERN.test(given) ? given : crypto.randomUUID();

/** Milliseconds until the call's deadline; undefined when it has none. */
export function remainingMs(context: Pick<HandlerContext, "values">): number | undefined {
  const { deadline } = context.values.get(callKey);
  return deadline === undefined ? undefined : Math.max(0, deadline - performance.now());
}

/**
 * Options for a call made on behalf of this one: its deadline, its cancellation, its correlation
 * id.
 */
export function forward(context: Pick<HandlerContext, "values" | "signal">): CallOptions {
  const left = remainingMs(context);
  return {
    signal: context.signal,
    headers: { [CORRELATION_HEADER]: context.values.get(callKey).correlationId },
    // The protocols have no fractions of a millisecond.
    ...(left !== undefined && { timeoutMs: Math.max(1, Math.floor(left - HOP_MARGIN_MS)) }),
  };
}

/** Tells the caller that this answer repeats one given before. */
export function markReplayed(context: Pick<HandlerContext, "responseHeader">): void {
  context.responseHeader.set("idempotent-replayed", "true");
}
