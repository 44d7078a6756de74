import { pino, type DestinationStream, type Logger } from "pino";

export type { Logger } from "pino";

/** Never in a log, wherever they stand in what is logged. */
const SECRETS = ["password", "token", "access_token", "refresh_token", "client_secret", "secret", "authorization", "cookie"];

/** JSON lines to stdout. */
export function createLogger(options: { name: string; level: string }, destination?: DestinationStream): Logger {
  const settings = {
    level: options.level,
    base: { service: options.name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: "[redacted]" },
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}
