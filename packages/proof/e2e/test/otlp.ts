import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";

/** Values of OTLP's JSON; int64 is text. */
type Value = string | number | boolean;
interface KeyValue {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: string | number;
    readonly doubleValue?: number;
    readonly boolValue?: boolean;
  };
}

export interface ReceivedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the root span. */
  readonly parentSpanId: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, Value>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly failed: boolean;
}

export interface ReceivedMetric {
  readonly service: string;
  readonly name: string;
  readonly unit: string;
  readonly type: "gauge" | "histogram" | "sum";
  /** The last value of each of its points. */
  readonly points: readonly {
    readonly attributes: Readonly<Record<string, Value>>;
    readonly value: number;
  }[];
}

/** Receives traces and metrics as a collector does, and keeps them. */
export interface OtlpReceiver extends AsyncDisposable {
  /** Environment of a service that sends everything here, without delay. */
  readonly env: Readonly<Record<string, string>>;
  readonly spans: readonly ReceivedSpan[];
  /** By service and name. */
  readonly metrics: ReadonlyMap<string, ReceivedMetric>;
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const metrics = new Map<string, ReceivedMetric>();
  const server = createServer(async (request, response) => {
    // A service that ends asks whether its collector is there.
    if (request.method === "HEAD") return void response.end();
    const body = await bodyOf(request);
    if (request.url === "/v1/traces") spans.push(...spansOf(body));
    if (request.url === "/v1/metrics")
      for (const metric of metricsOf(body)) metrics.set(`${metric.service} ${metric.name}`, metric);
    response.setHeader("content-type", "application/json").end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "200",
      OTEL_METRIC_EXPORT_INTERVAL: "500",
      OTEL_METRIC_EXPORT_TIMEOUT: "400",
      OTEL_LOGS_EXPORTER: "none",
    },
    spans,
    metrics,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of another's making, of which a little is read
type Json = any;

async function bodyOf(request: IncomingMessage): Promise<Json> {
  if (request.headers["content-encoding"] !== "gzip") return JSON.parse(await text(request));
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  return JSON.parse(gunzipSync(Buffer.concat(pieces)).toString());
}

const attributesOf = (list: readonly KeyValue[] = []): Record<string, Value> =>
  Object.fromEntries(
    list.map(({ key, value }) => [
      key,
      value.stringValue ??
        (value.intValue === undefined
          ? (value.doubleValue ?? value.boolValue ?? "")
          : Number(value.intValue)),
    ]),
  );

const serviceOf = (resource: Json): string =>
  String(attributesOf(resource?.attributes)["service.name"]);

function spansOf({ resourceSpans = [] }: Json): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }: Json) =>
    scopeSpans.flatMap(({ spans }: Json) =>
      spans.map((span: Json) => ({
        service: serviceOf(resource),
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? "",
        name: span.name,
        kind: span.kind,
        attributes: attributesOf(span.attributes),
        links: (span.links ?? []).map(({ traceId, spanId }: Json) => ({ traceId, spanId })),
        failed: span.status?.code === 2,
      })),
    ),
  );
}

function metricsOf({ resourceMetrics = [] }: Json): ReceivedMetric[] {
  return resourceMetrics.flatMap(({ resource, scopeMetrics }: Json) =>
    scopeMetrics.flatMap(({ metrics }: Json) =>
      metrics.map((metric: Json) => {
        const type = metric.gauge ? "gauge" : metric.histogram ? "histogram" : "sum";
        const points = metric[type]?.dataPoints ?? [];
        return {
          service: serviceOf(resource),
          name: metric.name,
          unit: metric.unit ?? "",
          type,
          points: points.map((point: Json) => ({
            attributes: attributesOf(point.attributes),
            value: Number(point.count ?? point.asInt ?? point.asDouble ?? 0),
          })),
        };
      }),
    ),
  );
}
