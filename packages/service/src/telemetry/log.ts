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
  /** Where the service runs: "production". */
  readonly environment?: string;
  /** Lines go there too. */
  readonly lokiUrl?: string | undefined;
}

/**
 * JSON lines to stdout, and to Loki where it is named. Each says what its work is about
 * (`withLogContext`) and names the active span. Secrets are taken out of all fields (see
 * redact.ts), but not out of a `child`'s own fields nor of messages, which are constants.
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
  const onChange = (takes: boolean) => {
    if (takes) log.info("Loki takes the log again");
    else log.warn("Loki does not take the log; lines are kept for it while there is room");
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

/**
 * Resolves when the log's last line is where it goes, or when that has taken too long. Call it at
 * the end.
 */
export const flushLog = (log: Logger): Promise<void> =>
  new Promise((resolve) => log.flush(() => resolve()));

// Synchronous: what is buffered would be written at exit, and where nobody reads any more that
// never ends (sonic-boom retries EPIPE for ever).
const stdout = () => pino.destination({ fd: 1, sync: true });

function presentFields(): Record<string, string | undefined> {
  const { correlationId, orderId } = logContext();
  const { traceId, spanId } = trace.getActiveSpan()?.spanContext() ?? {};
  return { trace_id: traceId, span_id: spanId, correlation_id: correlationId, order_id: orderId };
}
