import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { context as telemetry } from "@opentelemetry/api";
import { withLogContext } from "../telemetry/log-context.ts";
import type { ObserveCall, ObservedCall } from "../telemetry/rpc-telemetry.ts";
import { accessOf, authorize } from "./access.ts";
import type { Admission } from "./admission.ts";
import type { Authenticate } from "./authenticate.ts";
import { CORRELATION_HEADER, callKey, correlationId } from "./call.ts";
import { connectionKey } from "./connections.ts";
import type { ToConnectError } from "./error-mapping.ts";
import { type Principal, principalKey } from "./principal.ts";

export interface GateOptions {
  readonly authenticate: Authenticate;
  /** Public services without access rules: health, reflection. */
  readonly openServices: ReadonlySet<DescService>;
  /** For unary calls without a deadline. */
  readonly defaultTimeoutMs: number;
  readonly toConnectError: ToConnectError;
  readonly observe: ObserveCall;
  readonly admission: Admission;
}

/**
 * Returns the function that runs after a call's headers and before its body is read: it records
 * deadline and correlation id, then admits or refuses the caller.
 */
export function createGate(
  options: GateOptions,
): (context: HandlerContext) => void | Promise<void> {
  return (context) => {
    const { correlationId: admitted, observed: before } = context.values.get(callKey);
    if (before !== undefined) {
      // The short way has begun this call, and handed it over with a body that it does not read.
      context.responseHeader.set(CORRELATION_HEADER, admitted);
      return;
    }
    const observed = countMisses(
      options.observe(context.method, context.protocolName, context.requestHeader),
      context,
      options.admission,
    );
    const correlationId = recordCall(context, options.defaultTimeoutMs, observed);
    const refuse = (error: unknown): never => {
      const refusal = options.toConnectError(error, context.method);
      observed.end(refusal);
      throw refusal;
    };
    const run = () => {
      try {
        return admit(context, options)?.catch(refuse);
      } catch (error) {
        return refuse(error);
      }
    };
    return telemetry.with(observed.context, () => withLogContext({ correlationId }, run));
  };
}

/** Notes each call whose outcome is `not_found`. */
function countMisses(
  observed: ObservedCall,
  { values }: HandlerContext,
  admission: Admission,
): ObservedCall {
  const end = (error?: unknown) => {
    const isFirst = observed.end(error);
    const caller = values.get(principalKey);
    const isMiss = error instanceof ConnectError && error.code === Code.NotFound;
    if (isFirst && isMiss && caller !== undefined) admission.missed(caller);
    return isFirst;
  };
  return { context: observed.context, end };
}

function recordCall(
  context: HandlerContext,
  defaultTimeoutMs: number,
  observed: ObservedCall,
): string {
  const id = correlationId(context.requestHeader.get(CORRELATION_HEADER));
  const timeoutMs =
    context.timeoutMs() ?? (context.method.methodKind === "unary" ? defaultTimeoutMs : undefined);
  context.responseHeader.set(CORRELATION_HEADER, id);
  context.values.set(callKey, {
    correlationId: id,
    deadline: timeoutMs === undefined ? undefined : performance.now() + timeoutMs,
    observed,
  });
  return id;
}

/** Admits a caller whose token is cached as valid at once. */
function admit(
  context: HandlerContext,
  { openServices, authenticate, admission }: GateOptions,
): Promise<void> | undefined {
  const rule = accessOf(context.method);
  if (rule?.public || openServices.has(context.service)) return undefined;
  const enter = (caller: Principal) => {
    context.values.set(principalKey, caller);
    context.values.get(connectionKey)?.recognize();
    authorize(rule, caller);
    if (context.method.methodKind !== "unary") admission.openStream(caller, context.signal);
  };
  const caller = authenticate(context.requestHeader.get("authorization"));
  if (caller instanceof Promise) return caller.then(enter);
  enter(caller);
  return undefined;
}
