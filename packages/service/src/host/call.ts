import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { ObservedCall } from "../telemetry/rpc-telemetry.ts";

export const CORRELATION_HEADER = "x-correlation-id";
const CORRELATION_PATTERN = /^[A-Za-z0-9._-]{1,128}$/;

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

/** Returns the caller's correlation id if it is well formed, else a new one. */
export const correlationId = (given: string | null): string =>
  given !== null && CORRELATION_PATTERN.test(given) ? given : crypto.randomUUID();

/** Returns the milliseconds until the call's deadline; undefined when it has none. */
export function remainingMs(context: Pick<HandlerContext, "values">): number | undefined {
  const { deadline } = context.values.get(callKey);
  return deadline === undefined ? undefined : Math.max(0, deadline - performance.now());
}

/** Marks the response as a replay of an earlier one, by the header `idempotent-replayed`. */
export function markReplayed(context: Pick<HandlerContext, "responseHeader">): void {
  context.responseHeader.set("idempotent-replayed", "true");
}
