import { type BatchObservableCallback, metrics } from "@opentelemetry/api";
import { observeOperations } from "../telemetry/database-telemetry.ts";

const SCOPE = "@tercet/service";

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
  const start = observeOperations(SCOPE, "A statement, including its wait for a connection");
  const meter = metrics.getMeter(SCOPE);
  const pool = { "db.client.connection.pool.name": name };
  const base = { "db.system.name": "postgresql", "db.namespace": database };
  const timeouts = meter.createCounter("db.client.connection.timeouts", {
    unit: "{timeout}",
    description: "Statements that got no connection in time",
  });
  // Start the series at 0, so that the first increase shows in a rate.
  timeouts.add(0, pool);
  const gauge = (name: string, unit: string, description: string) =>
    meter.createObservableGauge(`db.client.connection.${name}`, { unit, description });
  const count = gauge("count", "{connection}", "Connections, by state");
  const max = gauge("max", "{connection}", "Maximum of connections");
  const pending = gauge("pending_requests", "{request}", "Statements that wait for a connection");
  const observe: BatchObservableCallback = (result) => {
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
      const attributes = { ...base, "db.operation.name": operation };
      const end = start(summary, attributes, { "db.query.summary": summary });
      return (error) => end(error === undefined ? undefined : errorType(error));
    },
    timedOut: () => timeouts.add(1, pool),
    [Symbol.dispose]: () => meter.removeBatchObservableCallback(observe, gauges),
  };
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
