import { metrics } from "@opentelemetry/api";
import { RuntimeNodeInstrumentation } from "@opentelemetry/instrumentation-runtime-node";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { beforeExit } from "../host/exit.ts";

const MICROSECONDS = 1_000_000;
/**
 * The sampling interval of the event loop, which wakes an idle process; 10 ms by default. The
 * dashboard and the alert subtract it.
 */
const EVENT_LOOP_SAMPLE_MS = 50;

/** Starts the SDK, configured by OTEL_* only. */
export function startTelemetry(): void {
  const sdk = new NodeSDK({
    instrumentations: [
      new RuntimeNodeInstrumentation({ monitoringPrecision: EVENT_LOOP_SAMPLE_MS }),
    ],
  });
  sdk.start();
  observeProcess();
  beforeExit(() => sdk.shutdown());
}

/** Semantic conventions, process metrics. */
function observeProcess(): void {
  const meter = metrics.getMeter("@tercet/service");
  const memory = meter.createObservableGauge("process.memory.usage", {
    unit: "By",
    description: "Resident memory of the process",
  });
  memory.addCallback((result) => result.observe(process.memoryUsage.rss()));
  const cpu = meter.createObservableCounter("process.cpu.time", {
    unit: "s",
    description: "CPU time, by process.cpu.state",
  });
  cpu.addCallback((result) => {
    const { user, system } = process.cpuUsage();
    result.observe(user / MICROSECONDS, { "process.cpu.state": "user" });
    result.observe(system / MICROSECONDS, { "process.cpu.state": "system" });
  });
}
