import { trace } from "@opentelemetry/api";
import { type DestinationStream, type Logger, pino } from "pino";
import { logContext } from "./log-context.ts";
import { Loki } from "./loki.ts";
import { redact } from "./redact.ts";

export type { Logger } from "pino";

export interface LogOptions {
  /** "payment" */
  readonly name: string;
  readonly level: string;
  /** "production" */
  readonly environment?: string;
  /** Lines are sent to this Loki too. */
  readonly lokiUrl?: string | undefined;
}

/**
 * Creates a logger of JSON lines to stdout, and to Loki if `lokiUrl` is set. Each line carries the
 * log context and the active span. Secrets are removed from all fields (redact.ts), but not from a
 * `child`'s own fields nor from messages, which are constants.
 */
export function createLogger(
  { name, level, environment, lokiUrl }: LogOptions,
  destination: DestinationStream = stdout(),
): Logger {
  const base = { service: name, ...(environment !== undefined && { environment }) };
  const settings = {
    level,
    base,
    mixin: presentFields,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => redact(fields),
    },
    serializers: { err: (error: Error) => redact(pino.stdSerializers.err(error)) },
  };
  if (lokiUrl === undefined) return pino(settings, destination);
  const onChange = (accepts: boolean) => {
    if (accepts) log.info("Loki accepts the log again");
    else log.warn("Loki does not accept the log; lines are kept while there is room");
  };
  const loki = new Loki({ url: lokiUrl, labels: base, onChange });
  const log: Logger = pino(settings, {
    write(line: string) {
      destination.write(line);
      loki.write(line);
    },
    flush: (done: () => void) => void loki.drain().then(done),
  } as DestinationStream);
  return log;
}

/** Resolves when all lines are delivered, or after a bounded time. */
export const flushLog = (log: Logger): Promise<void> =>
  new Promise((resolve) => log.flush(() => resolve()));

// Synchronous: at exit, sonic-boom retries EPIPE of a closed pipe for ever.
const stdout = () => pino.destination({ fd: 1, sync: true });

function presentFields(): Record<string, string | undefined> {
  const { correlationId, orderId } = logContext();
  const { traceId, spanId } = trace.getActiveSpan()?.spanContext() ?? {};
  return { trace_id: traceId, span_id: spanId, correlation_id: correlationId, order_id: orderId };
}
