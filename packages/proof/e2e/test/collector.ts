import { join } from "node:path";
import { freePort, ROOT } from "@tercet/cli";
import { startTool } from "./tool.ts";

export interface Collector extends AsyncDisposable {
  /** Takes OTLP over HTTP. */
  readonly otlpUrl: string;
  /** What Prometheus scrapes, as host:port, by its port in infra/. */
  readonly targets: Readonly<Record<"8889" | "8888", string>>;
}

/**
 * The OpenTelemetry collector with our configuration. Without a Jaeger traces wait, and metrics go
 * on.
 */
export async function startCollector(
  path: string,
  jaeger?: { readonly otlp: string },
): Promise<Collector> {
  const [grpc, http, metrics, own, health, nobody] = await Promise.all(
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
      JAEGER_ENDPOINT: jaeger?.otlp ?? at(nobody),
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
