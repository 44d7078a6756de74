import {
  type Attributes,
  context,
  metrics,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";

/** Semantic conventions, database client metrics. */
const BUCKETS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/**
 * Starts an operation named `name` in its span, which alone has the `details`. Returns the function
 * that ends it, with the type of its error if it failed.
 */
export type StartOperation = (
  name: string,
  attributes: Attributes,
  details?: Attributes,
) => (errorType?: string) => void;

/**
 * Records `db.client.operation.duration` for each operation of a database client, and a span for
 * each one within a trace: polling and heartbeats belong to no trace, and start none.
 */
export function observeOperations(scope: string, description: string): StartOperation {
  const tracer = trace.getTracer(scope);
  const duration = metrics.getMeter(scope).createHistogram("db.client.operation.duration", {
    unit: "s",
    description,
    advice: { explicitBucketBoundaries: BUCKETS_S },
  });
  return (name, attributes, details) => {
    const start = performance.now();
    const inside = context.active();
    const options = { kind: SpanKind.CLIENT, attributes: { ...attributes, ...details } };
    const span = trace.getSpan(inside)?.isRecording()
      ? tracer.startSpan(name, options, inside)
      : undefined;
    return (errorType) => {
      const failed = errorType === undefined ? {} : { "error.type": errorType };
      duration.record((performance.now() - start) / 1_000, { ...attributes, ...failed }, inside);
      if (errorType !== undefined)
        span?.setAttributes(failed).setStatus({ code: SpanStatusCode.ERROR });
      span?.end();
    };
  };
}
