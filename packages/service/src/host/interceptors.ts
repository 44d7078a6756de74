import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type Interceptor } from "@connectrpc/connect";
import { context as telemetry } from "@opentelemetry/api";
import { messagesUntilAborted, untilAborted, withTimeout } from "../abort.ts";
import type { Logger } from "../telemetry/log.ts";
import { inPresentContext, withLogContext } from "../telemetry/log-context.ts";
import { callKey } from "./call.ts";
import { endWithToken } from "./end-with-token.ts";
import type { ToConnectError } from "./error-mapping.ts";
import { lowerCaseUuids } from "./lower-case-uuids.ts";
import { principalKey } from "./principal.ts";
import type { Revocations } from "./revocations.ts";
import { validation } from "./validation.ts";

/**
 * Returns what every call passes through after its body is read, outermost first:
 * 1. the span of the call and the log context, which every log line of the call carries, also from
 * 2. the outcome: every failure, also one of what follows, is mapped to what the caller sees; that
 *    is logged and ends the span,
 * 3. the deadline, which ends a call even if its handler does not,
 * 4. the end of the caller's token, which ends a stream,
 * 5. validation, so that handlers see valid messages only, and
 * 6. UUIDs in lower case, so that an id has one spelling.
 */
export function serverInterceptors(
  log: Logger,
  toConnectError: ToConnectError,
  revocations: Revocations,
): Interceptor[] {
  return [
    inSpanOfCall,
    inLogContext,
    outcome(log, toConnectError),
    deadline,
    endWithToken(revocations),
    validation,
    lowerCaseUuids,
  ];
}

/** Runs the handler in the span of its call. */
const inSpanOfCall: Interceptor = (next) => (req) => {
  const { observed } = req.contextValues.get(callKey);
  return observed === undefined ? next(req) : telemetry.with(observed.context, () => next(req));
};

const inLogContext: Interceptor = (next) => (req) =>
  withLogContext({ correlationId: req.contextValues.get(callKey).correlationId }, async () => {
    const res = await next(req);
    return res.stream ? { ...res, message: inPresentContext(res.message) } : res;
  });

/**
 * Returns a function that ends a call that begins now, with its error if it has one: logs it, and
 * ends its span.
 */
export function endOfCall(log: Logger, method: DescMethod, values: ContextValues) {
  const started = performance.now();
  return (error?: ConnectError): void => {
    const fields = {
      method: `${method.parent.typeName}/${method.name}`,
      code: error === undefined ? "ok" : Code[error.code],
      duration_ms: Math.round((performance.now() - started) * 10) / 10,
      subject: values.get(principalKey)?.subject,
    };
    log.info(fields, "call");
    values.get(callKey).observed?.end(error);
  };
}

function outcome(log: Logger, toConnectError: ToConnectError): Interceptor {
  return (next) => async (req) => {
    const map = (error: unknown) => toConnectError(error, req.method);
    const finish = endOfCall(log, req.method, req.contextValues);
    try {
      const res = await next(req);
      if (res.stream) return { ...res, message: streamOutcome(res.message, map, finish) };
      finish();
      return res;
    } catch (error) {
      const failure = map(error);
      finish(failure);
      throw failure;
    }
  };
}

async function* streamOutcome<T>(
  messages: AsyncIterable<T>,
  map: (error: unknown) => ConnectError,
  finish: (error?: ConnectError) => void,
): AsyncIterable<T> {
  let failure: ConnectError | undefined;
  try {
    yield* messages;
  } catch (error) {
    failure = map(error);
    throw failure;
  } finally {
    finish(failure);
  }
}

/**
 * Connect signals a deadline, a shutdown and a cancellation, but leaves it to the handler to stop.
 * We do not rely on that. The deadline of a stream is in Connect's own signal.
 */
const deadline: Interceptor = (next) => async (req) => {
  const { deadline: at } = req.contextValues.get(callKey);
  const left = at === undefined ? undefined : at - performance.now();
  if (left !== undefined && left <= 0) throw deadlineExceeded();
  if (req.stream) {
    const res = await untilAborted(next(req), req.signal);
    return res.stream ? { ...res, message: messagesUntilAborted(res.message, req.signal) } : res;
  }
  using timed = withTimeout(req.signal, left, deadlineExceeded);
  try {
    return await untilAborted(next({ ...req, signal: timed.signal }), timed.signal);
  } catch (error) {
    // Connect's own timer may be the first.
    throw isDeadlineOf(req.signal, error) ? deadlineExceeded() : error;
  }
};

const isDeadlineOf = (signal: AbortSignal, error: unknown): boolean =>
  signal.aborted &&
  error === signal.reason &&
  error instanceof ConnectError &&
  error.code === Code.DeadlineExceeded;

export const deadlineExceeded = () =>
  new ConnectError("the deadline was exceeded; the outcome is unknown", Code.DeadlineExceeded);
