import {
  type Attributes,
  context,
  metrics,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";

const SCOPE = "@tercet/service";
/** Semantic conventions, database client metrics. */
const BUCKETS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** The connections of a pool. */
export interface PoolUse {
  readonly used: number;
  readonly idle: number;
  readonly max: number;
  /** Statements that wait for a connection. */
  readonly pending: number;
}

/** The telemetry of a pool; disposing of it unregisters it. */
export interface PoolTelemetry extends Disposable {
  /** Starts a statement; returns the function that ends it. */
  statement(statement: object): (error?: unknown) => void;
  /** Counts a statement that got no connection in time. */
  timedOut(): void;
}

/** Records spans and metrics of a pool, by the semantic conventions for database clients. */
export function observePool(name: string, database: string, use: () => PoolUse): PoolTelemetry {
  const tracer = trace.getTracer(SCOPE);
  const meter = metrics.getMeter(SCOPE);
  const pool = { "db.client.connection.pool.name": name };
  const base = { "db.system.name": "postgresql", "db.namespace": database };
  const duration = meter.createHistogram("db.client.operation.duration", {
    unit: "s",
    description: "A statement, including its wait for a connection",
    advice: { explicitBucketBoundaries: BUCKETS_S },
  });
  const timeouts = meter.createCounter("db.client.connection.timeouts", {
    unit: "{timeout}",
    description: "Statements that got no connection in time",
  });
  // Start the series at 0, so that the first increase shows in a rate.
  timeouts.add(0, pool);
  const count = meter.createObservableGauge("db.client.connection.count", {
    unit: "{connection}",
    description: "Connections, by state",
  });
  const max = meter.createObservableGauge("db.client.connection.max", {
    unit: "{connection}",
    description: "Maximum of connections",
  });
  const pending = meter.createObservableGauge("db.client.connection.pending_requests", {
    unit: "{request}",
    description: "Statements that wait for a connection",
  });
  const observe = (result: {
    observe(gauge: typeof count, value: number, attributes: Attributes): void;
  }) => {
    const now = use();
    result.observe(count, now.used, { ...pool, "db.client.connection.state": "used" });
    result.observe(count, now.idle, { ...pool, "db.client.connection.state": "idle" });
    result.observe(max, now.max, pool);
    result.observe(pending, now.pending, pool);
  };
  const gauges = [count, max, pending];
  meter.addBatchObservableCallback(observe, gauges);
  return {
    statement(statement) {
      const { operation, summary } = describe(statement);
      const start = performance.now();
      const attributes = { ...base, "db.operation.name": operation };
      const inside = context.active();
      // Background statements such as heartbeats start no trace.
      const span = trace.getSpan(inside)?.isRecording()
        ? tracer.startSpan(
            summary,
            { kind: SpanKind.CLIENT, attributes: { ...attributes, "db.query.summary": summary } },
            inside,
          )
        : undefined;
      return (error) => {
        const failed = error === undefined ? {} : { "error.type": errorType(error) };
        duration.record((performance.now() - start) / 1_000, { ...attributes, ...failed }, inside);
        end(span, error);
      };
    },
    timedOut: () => timeouts.add(1, pool),
    [Symbol.dispose]: () => meter.removeBatchObservableCallback(observe, gauges),
  };
}

function end(span: Span | undefined, error: unknown): void {
  if (span === undefined) return;
  if (error !== undefined) {
    span.setAttribute("error.type", errorType(error));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

/** SQLSTATE, or the driver's own code. */
function errorType(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "_OTHER";
}

interface Described {
  /** "INSERT" */
  readonly operation: string;
  /** The tables that it changes, else the one it reads: "INSERT orders, INSERT sagas". */
  readonly summary: string;
}

/** Cached by the strings of the template: one object for each place in the code. */
const known = new WeakMap<object, Described>();

function describe(statement: object): Described {
  const { strings } = statement as { strings?: object };
  const found = strings && known.get(strings);
  if (found !== undefined) return found;
  const described = summarize(textOf(statement));
  if (strings !== undefined) known.set(strings, described);
  return described;
}

/** Includes the text of its fragments. */
function textOf(statement: object): string {
  const { strings = [], args = [] } = statement as {
    strings?: readonly string[];
    args?: readonly unknown[];
  };
  return strings
    .map((text, index) => text + (hasText(args[index]) ? textOf(args[index]) : ""))
    .join("");
}

const hasText = (value: unknown): value is object =>
  typeof value === "object" && value !== null && "strings" in value;

const CHANGES = /\b(insert) into (\w+)|(?<!for |do )\b(update) (\w+)|\b(delete) from (\w+)/gi;
const READS = /\bfrom (?!jsonb_)(\w+)/i;

export function summarize(text: string): Described {
  const changes = [...text.matchAll(CHANGES)].map((found) => {
    const [verb = "", table = ""] = found.slice(1).filter((part) => part !== undefined);
    return { verb: verb.toUpperCase(), table };
  });
  const [first] = changes;
  if (first !== undefined)
    return {
      operation: first.verb,
      summary: changes.map(({ verb, table }) => `${verb} ${table}`).join(", "),
    };
  const table = READS.exec(text)?.[1];
  return { operation: "SELECT", summary: table === undefined ? "SELECT" : `SELECT ${table}` };
}
