import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "@tercet/cli";
import type { TestFolder } from "./stack.ts";
import { startTool } from "./tool.ts";

export interface Jaeger extends AsyncDisposable {
  /** Receives OTLP over gRPC; host:port. */
  readonly otlp: string;
  /** The services of each trace with a span of this service and this tag. */
  search(
    service: string,
    tags: Readonly<Record<string, string>>,
  ): Promise<{ readonly traceId: string; readonly services: string[] }[]>;
}

interface Trace {
  readonly traceID: string;
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

/** Starts Jaeger 2 with traces in memory. */
export async function startJaeger(path: string, folder: TestFolder): Promise<Jaeger> {
  const [otlp, http, grpc] = (await Promise.all([freePort(), freePort(), freePort()])).map(
    (port) => `127.0.0.1:${port}`,
  );
  const config = join(folder.path, "jaeger.json");
  // Its own defaults listen on a dozen fixed ports.
  const settings = {
    extensions: {
      jaeger_storage: { backends: { memory: { memory: { max_traces: 10_000 } } } },
      jaeger_query: {
        storage: { traces: "memory" },
        http: { endpoint: http },
        grpc: { endpoint: grpc },
      },
    },
    receivers: { otlp: { protocols: { grpc: { endpoint: otlp } } } },
    exporters: { jaeger_storage_exporter: { trace_storage: "memory" } },
    service: {
      extensions: ["jaeger_storage", "jaeger_query"],
      pipelines: { traces: { receivers: ["otlp"], exporters: ["jaeger_storage_exporter"] } },
      telemetry: { metrics: { level: "none" }, logs: { level: "warn" } },
    },
  };
  await writeFile(config, JSON.stringify(settings));
  const tool = await startTool({
    path,
    args: ["--config", config],
    readyUrl: `http://${http}/api/services`,
  });
  return {
    otlp: otlp ?? "",
    search: async (service, tags) => {
      const answer = await fetch(
        `http://${http}/api/traces?${new URLSearchParams({ service, tags: JSON.stringify(tags), limit: "5" })}`,
      );
      const { data } = (await answer.json()) as { data: Trace[] };
      return data.map(({ traceID: traceId, processes }) => ({
        traceId,
        services: [
          ...new Set(Object.values(processes).map(({ serviceName }) => serviceName)),
        ].sort(),
      }));
    },
    [Symbol.asyncDispose]: () => tool[Symbol.asyncDispose](),
  };
}
