/**
 * Loaded before a service: `node --import @tercet/service/telemetry dist/main.js`. Traces and
 * metrics go wherever OTEL_EXPORTER_OTLP_ENDPOINT says; everything else is OpenTelemetry's own
 * OTEL_* variables. Without an endpoint nothing is loaded, and what the services tell is told to
 * nobody.
 */
import { readEnv } from "../config.ts";

const ENDPOINT = /^OTEL_EXPORTER_OTLP_((TRACES|METRICS)_)?ENDPOINT$/;

const env = readEnv();
const isOn =
  env["OTEL_SDK_DISABLED"] !== "true" &&
  Object.keys(env).some((name) => ENDPOINT.test(name) && env[name] !== "");
if (isOn) (await import("./telemetry-sdk.ts")).startTelemetry();
