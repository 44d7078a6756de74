import {
  type Attributes,
  context,
  metrics,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { MongoClient } from "mongodb";

const SCOPE = "@tercet/payment";
const BUCKETS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

interface Running {
  readonly attributes: Attributes;
  readonly span: Span | undefined;
  readonly start: number;
}

/**
 * Records `db.client.operation.duration` for each command of a client that monitors its commands,
 * and a span for each command within a trace. By hand, because the official instrumentation has
 * neither that metric nor support for ES modules without a loader.
 */
export function observeMongo(client: MongoClient): void {
  const tracer = trace.getTracer(SCOPE);
  const duration = metrics.getMeter(SCOPE).createHistogram("db.client.operation.duration", {
    unit: "s",
    description: "A command",
    advice: { explicitBucketBoundaries: BUCKETS_S },
  });
  const running = new Map<number, Running>();
  client.on("commandStarted", ({ requestId, databaseName, commandName, command }) => {
    const collection = typeof command[commandName] === "string" ? command[commandName] : undefined;
    const attributes = {
      "db.system.name": "mongodb",
      "db.namespace": databaseName,
      "db.operation.name": commandName,
    };
    const inside = context.active();
    const name = collection === undefined ? commandName : `${commandName} ${collection}`;
    // The reconciler's polling belongs to no trace and starts none.
    const span = trace.getSpan(inside)?.isRecording()
      ? tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, inside)
      : undefined;
    running.set(requestId, { attributes, span, start: performance.now() });
  });
  const end = (requestId: number, failure?: string) => {
    const command = running.get(requestId);
    if (command === undefined) return;
    running.delete(requestId);
    const { attributes, span, start } = command;
    const failed = failure === undefined ? {} : { "error.type": failure };
    duration.record((performance.now() - start) / 1_000, { ...attributes, ...failed });
    if (failure !== undefined)
      span?.setAttributes(failed).setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
  };
  client.on("commandSucceeded", ({ requestId }) => end(requestId));
  client.on("commandFailed", ({ requestId, failure }) => end(requestId, codeOf(failure)));
}

/** Returns the server's error code, or the name of the driver's error. */
function codeOf(failure: Error): string {
  const { code } = failure as { code?: unknown };
  return typeof code === "number" || typeof code === "string" ? String(code) : failure.name;
}
