import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import {
  type Attributes,
  type Context,
  context,
  type Histogram,
  isSpanContextValid,
  metrics,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  trace,
} from "@opentelemetry/api";
import { reasonOf } from "../errors.ts";

const SCOPE = "@tercet/service";
/** Semantic conventions, RPC metrics. */
const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** The telemetry of one call. */
export interface ObservedCall {
  /** The context with the call's span. */
  readonly context: Context;
  /** Ends the span. Only the first call counts, and returns true. */
  end(error?: unknown): boolean;
}

/** Starts the span of an incoming call, in the trace of its `traceparent`. */
export type ObserveCall = (method: DescMethod, protocol: string, headers: Headers) => ObservedCall;

/** Records a span and `rpc.server.call.duration` for each call of a service. */
export function observeServer(): ObserveCall {
  const tracer = trace.getTracer(SCOPE);
  const duration = durationOf("server", "From a call's headers to its response");
  return (method, protocol, headers) => {
    const name = methodName(method);
    const attributes = { "rpc.system.name": systemOf(protocol), "rpc.method": name };
    const parent = propagation.extract(ROOT_CONTEXT, headers, HEADERS);
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
    return observed(contextOf(span, parent), duration, attributes, SERVER_FAULTS);
  };
}

/**
 * Records a span and `rpc.client.call.duration` for each attempt of a call to another service, and
 * sends the trace along.
 */
export function observeClient(baseUrl: string): Interceptor {
  const tracer = trace.getTracer(SCOPE);
  const duration = durationOf("client", "One attempt of a call to another service");
  const { hostname, port, protocol } = new URL(baseUrl);
  const server = {
    "server.address": hostname,
    "server.port": Number(port || (protocol === "https:" ? 443 : 80)),
  };
  return (next) => async (req) => {
    const name = methodName(req.method);
    const attributes = { "rpc.system.name": "grpc", "rpc.method": name, ...server };
    const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes });
    const call = observed(contextOf(span, context.active()), duration, attributes);
    propagation.inject(call.context, req.header, {
      set: (headers, key, value) => headers.set(key, value),
    });
    try {
      const res = await context.with(call.context, () => next(req));
      call.end();
      return res;
    } catch (error) {
      call.end(error);
      throw error;
    }
  };
}

/** Returns the context with the span. Without an SDK there is no span to carry. */
const contextOf = (span: Span, parent: Context): Context =>
  isSpanContextValid(span.spanContext()) ? trace.setSpan(parent, span) : parent;

const durationOf = (side: "client" | "server", description: string): Histogram =>
  metrics.getMeter(SCOPE).createHistogram(`rpc.${side}.call.duration`, {
    unit: "s",
    description,
    advice: { explicitBucketBoundaries: BUCKETS_S },
  });

function observed(
  inside: Context,
  duration: Histogram,
  attributes: Attributes,
  faults?: ReadonlySet<string>,
): ObservedCall {
  const start = performance.now();
  let ended = false;
  return {
    context: inside,
    end(error) {
      if (ended) return false;
      ended = true;
      const failure = error === undefined ? undefined : ConnectError.from(error);
      const status = failure === undefined ? "OK" : statusName(failure.code);
      const outcome = {
        "rpc.response.status_code": status,
        ...(failure !== undefined && { "error.type": status }),
      };
      duration.record((performance.now() - start) / 1_000, { ...attributes, ...outcome }, inside);
      const span = trace.getSpan(inside);
      span?.setAttribute("rpc.response.status_code", status);
      if (failure !== undefined) span?.setAttribute("error.type", reasonOf(failure) ?? status);
      if (failure !== undefined && (faults?.has(status) ?? true))
        span?.setStatus({ code: SpanStatusCode.ERROR });
      span?.end();
      return true;
    },
  };
}

const methodName = (method: DescMethod): string => `${method.parent.typeName}/${method.name}`;
/** gRPC-Web counts as gRPC. */
const systemOf = (protocol: string): string => (protocol === "connect" ? "connectrpc" : "grpc");
/** As gRPC spells it, for all protocols: "DEADLINE_EXCEEDED". */
const statusName = (code: Code): string =>
  code === Code.Canceled
    ? "CANCELLED"
    : (Code[code] ?? "UNKNOWN").replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();

/** Semantic conventions, gRPC: all other codes are not errors of the server. */
const SERVER_FAULTS: ReadonlySet<string> = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

const HEADERS: TextMapGetter<Headers> = {
  get: (headers, key) => headers.get(key) ?? undefined,
  keys: (headers) => [...headers.keys()],
};
