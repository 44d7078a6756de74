import { join } from "node:path";
import { freePort, ROOT } from "@tercet/cli";
import { startTool } from "./tool.ts";

export interface Collector extends AsyncDisposable {
  /** Receives OTLP over HTTP. */
  readonly otlpUrl: string;
  /** The addresses that Prometheus scrapes, as host:port, by their port in infra/. */
  readonly targets: Readonly<Record<"8889" | "8888", string>>;
}

/**
 * Starts the OpenTelemetry collector with our configuration. Without a Jaeger traces wait, and
 * metrics still pass.
 */
export async function startCollector(
  path: string,
  jaeger?: { readonly otlp: string },
): Promise<Collector> {
  const [grpc, http, metrics, own, health, unused] = await Promise.all(
    Array.from({ length: 6 }, freePort),
  );
  const at = (port: number | undefined) => `127.0.0.1:${port}`;
  const tool = await startTool({
    path,
    args: ["--config", join(ROOT, "infra/otel/collector.yaml")],
    env: {
      COLLECTOR_GRPC: at(grpc),
      COLLECTOR_HTTP: at(http),
      COLLECTOR_METRICS: at(metrics),
      COLLECTOR_OWN_HOST: "127.0.0.1",
      COLLECTOR_OWN_PORT: String(own),
      COLLECTOR_HEALTH: at(health),
      COLLECTOR_FLUSH: "1s",
      JAEGER_ENDPOINT: jaeger?.otlp ?? at(unused),
    },
    readyUrl: `http://${at(health)}`,
  });
  const targets = { "8889": at(metrics), "8888": at(own) };
  return {
    otlpUrl: `http://${at(http)}`,
    targets,
    [Symbol.asyncDispose]: () => tool[Symbol.asyncDispose](),
  };
}
