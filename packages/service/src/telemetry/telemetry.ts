/**
 * Loaded before a service: `node --import ./dist/telemetry.js dist/main.js`. Exports traces and
 * metrics to OTEL_EXPORTER_OTLP_ENDPOINT; the other OTEL_* variables are OpenTelemetry's own.
 * Without an endpoint nothing is loaded or recorded.
 */
import { z } from "zod";
import { ConfigError, parseEnv, readEnv } from "../config.ts";
import { httpUrl } from "../urls.ts";

const endpoint = httpUrl.optional();
const shape = z.object({
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: endpoint,
});

const env = readEnv();
const endpoints = env["OTEL_SDK_DISABLED"] === "true" ? [] : endpointsOf();
if (endpoints.length > 0) (await import("./telemetry-sdk.ts")).startTelemetry(endpoints);

function endpointsOf(): string[] {
  try {
    return Object.values(parseEnv("telemetry", shape, env)).filter((url) => url !== undefined);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
