import { metrics } from "@opentelemetry/api";
import { RuntimeNodeInstrumentation } from "@opentelemetry/instrumentation-runtime-node";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { beforeExit } from "../host/exit.ts";
import { responds } from "./responds.ts";

const MICROSECONDS = 1_000_000;
/**
 * The sampling interval of the event loop, which wakes an idle process; 10 ms by default. The
 * dashboard and the alert subtract it.
 */
const EVENT_LOOP_SAMPLE_MS = 50;

/** For a collector to show that it is there, when the process ends. */
const COLLECTOR_LIMIT_MS = 250;

/** Starts the SDK, configured by OTEL_* only. `endpoints` are the addresses of the collectors. */
export function startTelemetry(endpoints: readonly string[]): void {
  const sdk = new NodeSDK({
    instrumentations: [
      new RuntimeNodeInstrumentation({ monitoringPrecision: EVENT_LOOP_SAMPLE_MS }),
    ],
  });
  sdk.start();
  observeProcess();
  beforeExit(() => sendTheRest(sdk, endpoints));
}

/** A collector that is away does not hold the process: what is left is lost with it. */
async function sendTheRest(sdk: NodeSDK, endpoints: readonly string[]): Promise<void> {
  const sent = sdk.shutdown().catch(() => {});
  const replies = await Promise.all(endpoints.map((url) => responds(url, COLLECTOR_LIMIT_MS)));
  if (replies.every(Boolean)) await sent;
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
