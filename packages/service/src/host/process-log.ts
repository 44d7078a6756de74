import { readEnv } from "../config.ts";
import { createLogger } from "../telemetry/log.ts";

/**
 * Logs what Node would write to stderr as text: its warnings, and the exception that nothing
 * caught, which still ends the process.
 */
export function logProcessEvents(): void {
  const log = createLogger({ name: readEnv()["OTEL_SERVICE_NAME"] ?? "process", level: "warn" });
  // Node's own listener prints.
  process.removeAllListeners("warning");
  process.on("warning", (warning) => log.warn({ err: warning }, "a warning of Node"));
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "an exception was not caught; the process ends");
    process.exit(1);
  });
}
