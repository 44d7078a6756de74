import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "@tercet/cli/repository";

/** Where Grafana finds the dashboards; from the root. */
export const DASHBOARDS = "infra/grafana/dashboards";

/** A legend, and its query in PromQL. */
type Query = readonly [legend: string, promql: string];

interface Panel {
  readonly title: string;
  /** A unit of Grafana: "reqps", "s", "percentunit", "short", "bytes". */
  readonly unit: string;
  /** What to see in it, and what to do then. */
  readonly about: string;
  readonly queries: readonly Query[];
  /** One number instead of lines over time. */
  readonly stat?: boolean;
  /** Dots that lead to traces. */
  readonly exemplars?: boolean;
}

const panel = (title: string, unit: string, about: string, queries: readonly Query[]): Panel => ({
  ...{ title, unit, about, queries },
});

const stat = (title: string, unit: string, about: string, query: Query): Panel => ({
  ...{ title, unit, about, queries: [query], stat: true },
});

/** An aggregation of PromQL. By default, the legend is the values of the labels. */
const grouped = (how: string, by: string, expr: string, legend = legendOf(by)): Query => [
  legend,
  `${how} by (${by}) (${expr})`,
];
const legendOf = (by: string) => `{{${by.replaceAll(", ", "}} {{")}}}`;

const rate = (counter: string, by: string, legend?: string): Query =>
  grouped("sum", by, `rate(${counter}[$__rate_interval])`, legend);

/** The histogram may have a selector. */
function quantile(q: number, histogram: string, by: string, legend = legendOf(by)): Query {
  const [, buckets] = rate(histogram.replace(/\{|$/, "_bucket$&"), `le, ${by}`);
  return [legend, `histogram_quantile(${q}, ${buckets})`];
}

/** Columns of Grafana. */
const WIDTH = 24;
const SERVER = "rpc_server_call_duration_seconds";
const CLIENT = "rpc_client_call_duration_seconds";
const UNARY = '{rpc_method!~".*/(Watch.*|ServerReflectionInfo)"}';
const NOT_OK = '{rpc_response_status_code!="OK"}';
const PROVIDER = "tercet_payment_provider_duration_seconds";
const POOL = "db_client_connection_pool_name";

const red: readonly Panel[] = [
  stat("Requests in all", "short", "Calls that were served in the time that is shown.", [
    "requests",
    `sum(increase(${SERVER}_count[$__range]))`,
  ]),
  panel("Calls per second by service", "reqps", "Rate. A sudden fall is as bad as a rise.", [
    rate(`${SERVER}_count`, "service_name"),
  ]),
  panel(
    "Share of calls that fail",
    "percentunit",
    "Errors that the service is to blame for; refusals are not among them. The objective is below 0.1 %.",
    [["{{service_name}}", "service:rpc_server_call:failed_ratio5m"]],
  ),
  panel(
    "Duration by service, p50 and p99",
    "s",
    "Streams are left out. The objective: 99 % within 2.5 s.",
    [
      quantile(0.5, SERVER + UNARY, "service_name", "{{service_name}} p50"),
      quantile(0.99, SERVER + UNARY, "service_name", "{{service_name}} p99"),
    ],
  ),
  panel("Calls per second by method", "reqps", "Who calls what.", [
    rate(`${SERVER}_count`, "rpc_method"),
  ]),
  panel(
    "Refused and failed calls by method and code",
    "reqps",
    "RESOURCE_EXHAUSTED is shed load, UNAUTHENTICATED and PERMISSION_DENIED are callers, UNAVAILABLE and INTERNAL are ours.",
    [rate(`${SERVER}_count${NOT_OK}`, "rpc_method, rpc_response_status_code")],
  ),
  {
    ...panel(
      "Duration by method, p95, with traces",
      "s",
      "From spans: a dot is one call, and leads to its trace. Lower than the truth where traces are sampled by their outcome.",
      [
        quantile(
          0.95,
          'traces_span_metrics_duration_seconds{span_kind="SPAN_KIND_SERVER"}',
          "span_name",
        ),
      ],
    ),
    exemplars: true,
  },
  panel("Calls to other services, p95", "s", "As the caller sees them, the way there included.", [
    quantile(
      0.95,
      CLIENT + UNARY,
      "service_name, rpc_method",
      "{{service_name}} to {{rpc_method}}",
    ),
  ]),
  panel(
    "Calls to other services that fail, and retries",
    "reqps",
    "Retries without failures of callers: the retries do their work.",
    [
      rate(`${CLIENT}_count${NOT_OK}`, "rpc_method, rpc_response_status_code"),
      rate("tercet_rpc_client_retries_total", "rpc_service", "retries of {{rpc_service}}"),
    ],
  ),
  panel(
    "Calls refused before their body was read",
    "reqps",
    "RATE_LIMITED: a caller or an address calls too often. OVERLOADED: more work than the event loop can do.",
    [rate("tercet_rpc_server_refused_total", "service_name, reason")],
  ),
  panel(
    "Spans per second by kind and status",
    "reqps",
    "What arrives of traces. None while there are calls: tracing is off or broken.",
    [rate("traces_span_metrics_calls_total", "span_kind, status_code")],
  ),
];

const sagas: readonly Panel[] = [
  stat(
    "Parked",
    "short",
    "Wait for an operator. Anything but 0 is an alert.",
    grouped("max", "saga_kind", "tercet_saga_parked"),
  ),
  stat("Open", "short", "On their way now.", ["open", "max(tercet_saga_open)"]),
  stat(
    "Age of the oldest open saga",
    "s",
    "Above two minutes something is being undone, or stuck.",
    ["oldest", "max(tercet_saga_oldest_open_age_seconds)"],
  ),
  stat("Of unknown version", "short", "Left by a newer version that was rolled back.", [
    "unknown",
    "max(tercet_saga_unknown_version)",
  ]),
  panel(
    "Started, completed and compensated per second",
    "ops",
    "What starts must end one way or the other.",
    ["started", "completed", "compensated"].map((end) =>
      rate(`tercet_saga_${end}_total`, "saga_kind", `{{saga_kind}} ${end}`),
    ),
  ),
  panel(
    "Compensated by reason",
    "ops",
    "OUT_OF_STOCK and PAYMENT_DECLINED are business; a deadline is ours.",
    [rate("tercet_saga_compensated_total", "reason")],
  ),
  panel("Duration of sagas, p95", "s", "From their start to their end, by how they ended.", [
    quantile(0.95, "tercet_saga_duration_seconds", "saga_kind, saga_state"),
  ]),
  panel("Duration of steps, p95", "s", "One attempt.", [
    quantile(0.95, "tercet_saga_step_duration_seconds", "saga_step, saga_action"),
  ]),
  panel("Attempts by step and outcome", "ops", "Unknown outcomes are asked for again.", [
    rate("tercet_saga_step_duration_seconds_count", "saga_step, saga_action, outcome"),
    rate("tercet_saga_unknown_outcomes_total", "saga_step", "{{saga_step}} unknown"),
  ]),
  panel(
    "In flight by process",
    "short",
    "One process with all of them: its neighbours do not take their share.",
    [grouped("sum", "instance", "tercet_saga_in_flight")],
  ),
  panel(
    "Taken over, and writes fenced, in 10 minutes",
    "short",
    "Take-overs: a process died or froze. Fenced writes: it came back. Both are survived; many are a symptom.",
    [
      grouped(
        "sum",
        "saga_kind",
        "increase(tercet_saga_takeovers_total[10m])",
        "{{saga_kind}} taken over",
      ),
      grouped(
        "sum",
        "saga_kind",
        "increase(tercet_saga_fenced_writes_total[10m])",
        "{{saga_kind}} fenced",
      ),
    ],
  ),
  panel("Payments per second", "ops", "Declined is the bank's decision, not a failure.", [
    rate("tercet_payment_charges_total", "status, reason"),
    ["refunds", "sum(rate(tercet_payment_refunds_total[$__rate_interval]))"],
  ]),
  panel(
    "Payments abandoned, and charged late, in an hour",
    "short",
    "Charged late: the provider took money for an abandoned payment. It is refunded; notify the provider.",
    [
      ["abandoned", "sum(increase(tercet_payment_abandoned_total[1h]))"],
      ["charged late", "sum(increase(tercet_payment_late_charges_total[1h]))"],
    ],
  ),
  panel("The provider: duration, p95", "s", "A slow provider is the slowest part of every order.", [
    quantile(0.95, PROVIDER, "operation"),
  ]),
  panel(
    "The provider: calls by outcome",
    "reqps",
    "Unknown: no response, so the payment may have been charged.",
    [rate(`${PROVIDER}_count`, "operation, outcome")],
  ),
];

const runtime: readonly Panel[] = [
  panel(
    "Processes that report metrics",
    "short",
    "By service. Fewer than replicas: some are down or do not report.",
    [grouped("count", "service_name", 'target_info{job!="collector"}')],
  ),
  panel(
    "CPU by process",
    "short",
    "Cores in use. JavaScript is one thread: near 1 it is saturated.",
    [rate("process_cpu_time_seconds_total", "service_name, instance")],
  ),
  panel("Memory by process", "bytes", "Resident. A line that only rises is a leak.", [
    grouped("sum", "service_name, instance", "process_memory_usage_bytes"),
  ]),
  panel("Heap in use", "bytes", "Of V8.", [
    grouped("max", "service_name", "sum by (service_name, instance) (v8js_memory_heap_used_bytes)"),
  ]),
  panel(
    "Event loop delay, p50 and p99",
    "s",
    "Everything in the process waits for this time.",
    ["p50", "p99"].map((p) => [
      `{{service_name}} ${p}`,
      `max by (service_name) (nodejs_eventloop_delay_${p}_seconds) - 0.05`,
    ]),
  ),
  panel(
    "Event loop utilization",
    "percentunit",
    "The share of time in which the loop was busy. Above 0.8 add replicas.",
    [grouped("max", "service_name", "nodejs_eventloop_utilization_ratio")],
  ),
  panel(
    "Time in garbage collection",
    "percentunit",
    "Share of time, by kind. Above 5 % the heap is too small, or too much is allocated.",
    [rate("v8js_gc_duration_seconds_sum", "service_name, v8js_gc_type")],
  ),
  panel(
    "Open resources",
    "short",
    "What keeps the event loop going: sockets, timers. A line that only rises is a leak.",
    [grouped("sum", "service_name, v8js_resource_type", "v8js_resource_active")],
  ),
  panel("Database operations per second", "ops", "Statements, by database.", [
    rate("db_client_operation_duration_seconds_count", "db_namespace, db_operation_name"),
  ]),
  panel("Database operations, p95", "s", "With the wait for a connection.", [
    quantile(0.95, "db_client_operation_duration_seconds", "db_namespace, db_operation_name"),
  ]),
  panel("Connections of pools", "short", "Used near max: see who waits.", [
    grouped("sum", `${POOL}, db_client_connection_state`, "db_client_connection_count"),
    grouped("sum", POOL, "db_client_connection_max", `{{${POOL}}} max`),
  ]),
  panel(
    "Waits for a connection, and timeouts",
    "short",
    "Waiting for more than moments: statements are slow, or DATABASE_POOL_SIZE is small.",
    [
      grouped("sum", POOL, "db_client_connection_pending_requests", `{{${POOL}}} waiting`),
      rate("db_client_connection_timeouts_total", POOL, `{{${POOL}}} timeouts per second`),
    ],
  ),
  panel("Breakers", "short", "0 closed, 1 half open, 2 open.", [
    grouped(
      "max",
      "service_name, rpc_service",
      "tercet_breaker_state",
      "{{service_name}} to {{rpc_service}}",
    ),
  ]),
  panel(
    "The collector: received per second, and its queue",
    "short",
    "A queue that grows: Jaeger does not keep up. Nothing received: the services do not send.",
    [
      grouped("min", "job", 'up{job=~"collector|services"}', "up: {{job}}"),
      ["spans", "sum(rate(otelcol_receiver_accepted_spans[$__rate_interval]))"],
      ["metric points", "sum(rate(otelcol_receiver_accepted_metric_points[$__rate_interval]))"],
      grouped(
        "max",
        "exporter",
        "otelcol_exporter_queue_size / otelcol_exporter_queue_capacity",
        "queue to {{exporter}}",
      ),
    ],
  ),
];

/** Marks on the time axis of every panel, from the log. */
const BREAKERS = {
  name: "Circuit breakers",
  datasource: { type: "loki", uid: "loki" },
  enable: true,
  iconColor: "orange",
  expr: '{service=~".+"} |= "circuit breaker" | json | event=~"circuit_breaker_(opened|closed)"',
  titleFormat: "{{service}}: {{msg}}",
  textFormat: "{{rpc_method}}",
};

/** Writes each dashboard as Grafana imports it. */
export async function writeDashboards(folder = join(ROOT, DASHBOARDS)): Promise<void> {
  await mkdir(folder, { recursive: true });
  const write = (name: string, title: string, panels: readonly Panel[]) =>
    writeFile(
      join(folder, `${name}.json`),
      dashboard(`tercet-${name}`, `Tercet: ${title}`, panels),
    );
  await write("red", "calls (RED)", red);
  await write("sagas", "sagas and payments", sagas);
  await write("runtime", "runtime (USE)", runtime);
}

function dashboard(uid: string, title: string, panels: readonly Panel[]): string {
  const tags = ["tercet"];
  const time = { from: "now-1h", to: "now" };
  const settings = { schemaVersion: 39, editable: false, graphTooltip: 1, refresh: "30s", time };
  const links = [
    {
      ...{ type: "dashboards", title: "Tercet", tags },
      ...{ asDropdown: false, includeVars: false, keepTime: true },
    },
  ];
  const marks = { annotations: { list: [BREAKERS] }, links };
  return `${JSON.stringify({ uid, title, tags, ...settings, ...marks, panels: laidOut(panels) }, undefined, 2)}\n`;
}

/** In rows: four numbers, or three panels with lines. */
function laidOut(panels: readonly Panel[]): unknown[] {
  let [x, y, rowHeight] = [0, 0, 0];
  return panels.map((panel, index) => {
    const { w, h } = panel.stat ? { w: 6, h: 4 } : { w: 8, h: 8 };
    if (x + w > WIDTH || (rowHeight !== 0 && rowHeight !== h)) [x, y] = [0, y + rowHeight];
    rowHeight = h;
    const gridPos = { x, y, w, h };
    x += w;
    return { id: index + 1, gridPos, ...drawn(panel) };
  });
}

function drawn({ title, about, unit, queries, stat = false, exemplars = false }: Panel): object {
  const datasource = { type: "prometheus", uid: "prometheus" };
  const targets = queries.map(([legendFormat, expr], index) => ({
    refId: String.fromCharCode("A".charCodeAt(0) + index),
    datasource,
    expr,
    legendFormat,
    ...(stat && { instant: true }),
    ...(exemplars && { exemplar: true }),
  }));
  const fieldConfig = { defaults: { unit, min: 0 }, overrides: [] };
  const type = stat ? "stat" : "timeseries";
  return { type, title, description: about, datasource, fieldConfig, targets };
}
