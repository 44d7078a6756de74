import {
  Code,
  ConnectError,
  type Interceptor,
  type StreamResponse,
  type UnaryResponse,
} from "@connectrpc/connect";
import { createValidateInterceptor } from "@connectrpc/validate";
import { context as telemetry } from "@opentelemetry/api";
import { messagesUntilAborted, untilAborted, withTimeout } from "../abort.ts";
import type { Logger } from "../telemetry/log.ts";
import { inPresentContext, withLogContext } from "../telemetry/log-context.ts";
import { callKey } from "./call.ts";
import type { ToConnectError } from "./error-mapping.ts";
import { principalKey } from "./principal.ts";

/**
 * Returns what every call passes through after its body is read, outermost first:
 * 1. the span of the call and the log context, which every log line of the call carries, also from
 * 2. logging, which sees the outcome as the caller does and ends the span, so it is outside of
 * 3. error mapping, which must see every failure, also from
 * 4. the deadline, which ends a call even if its handler does not, and
 * 5. validation, so that handlers see valid messages only.
 */
export function serverInterceptors(log: Logger, toConnectError: ToConnectError): Interceptor[] {
  return [
    inSpanOfCall,
    inLogContext,
    logging(log),
    errorMapping(toConnectError),
    deadline,
    createValidateInterceptor(),
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

function logging(log: Logger): Interceptor {
  return (next) => async (req) => {
    const started = performance.now();
    const finish = (error?: unknown) => {
      const fields = {
        method: `${req.service.typeName}/${req.method.name}`,
        code: error === undefined ? "ok" : Code[ConnectError.from(error).code],
        duration_ms: Math.round((performance.now() - started) * 10) / 10,
        subject: req.contextValues.get(principalKey)?.subject,
      };
      log.info(fields, "call");
      req.contextValues.get(callKey).observed?.end(error);
    };
    return observe(() => next(req), finish);
  };
}

function errorMapping(toConnectError: ToConnectError): Interceptor {
  return (next) => async (req) => {
    const map = (error: unknown) => toConnectError(error, req.method);
    try {
      const res = await next(req);
      return res.stream ? { ...res, message: mapFailure(res.message, map) } : res;
    } catch (error) {
      throw map(error);
    }
  };
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
  return await untilAborted(next({ ...req, signal: timed.signal }), timed.signal);
};

const deadlineExceeded = () =>
  new ConnectError("the deadline was exceeded; the outcome is unknown", Code.DeadlineExceeded);

async function observe(
  call: () => Promise<UnaryResponse | StreamResponse>,
  finish: (error?: unknown) => void,
): Promise<UnaryResponse | StreamResponse> {
  try {
    const res = await call();
    if (res.stream) return { ...res, message: observeStream(res.message, finish) };
    finish();
    return res;
  } catch (error) {
    finish(error);
    throw error;
  }
}

async function* observeStream<T>(
  messages: AsyncIterable<T>,
  finish: (error?: unknown) => void,
): AsyncIterable<T> {
  let failure: unknown;
  try {
    yield* messages;
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    finish(failure);
  }
}

async function* mapFailure<T>(
  messages: AsyncIterable<T>,
  map: (error: unknown) => ConnectError,
): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw map(error);
  }
}
