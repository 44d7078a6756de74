/**
 * Loaded before a service: `node --import @tercet/service/telemetry dist/main.js`. Exports traces
 * and metrics to OTEL_EXPORTER_OTLP_ENDPOINT; the other OTEL_* variables are OpenTelemetry's own.
 * Without an endpoint nothing is loaded or recorded.
 */
import { readEnv } from "../config.ts";

const ENDPOINT = /^OTEL_EXPORTER_OTLP_((TRACES|METRICS)_)?ENDPOINT$/;

const env = readEnv();
const isOn =
  env["OTEL_SDK_DISABLED"] !== "true" &&
  Object.keys(env).some((name) => ENDPOINT.test(name) && env[name] !== "");
if (isOn) (await import("./telemetry-sdk.ts")).startTelemetry();
