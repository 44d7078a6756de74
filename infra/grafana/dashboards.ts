import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "@tercet/cli/repository";

/** Where Grafana finds the dashboards; from the root. */
export const DASHBOARDS = "infra/grafana/dashboards";

interface Panel {
  readonly title: string;
  /** What to see in it, and what to do then. */
  readonly about: string;
  /** A unit of Grafana: "reqps", "s", "percentunit", "short", "bytes". */
  readonly unit: string;
  /** PromQL by legend. */
  readonly queries: Readonly<Record<string, string>>;
  /** One number instead of lines over time. */
  readonly stat?: boolean;
  /** Dots that lead to traces. */
  readonly exemplars?: boolean;
}

/** Columns of Grafana. */
const WIDTH = 24;
const WINDOW = "[$__rate_interval]";
const rate = (counter: string, by: string) => `sum by (${by}) (rate(${counter}${WINDOW}))`;
const quantile = (q: number, histogram: string, by: string, only = "") =>
  `histogram_quantile(${q}, sum by (le, ${by}) (rate(${histogram}_bucket${only}${WINDOW})))`;
const SERVER = "rpc_server_call_duration_seconds";
const CLIENT = "rpc_client_call_duration_seconds";
const UNARY = '{rpc_method!~".*/(Watch.*|ServerReflectionInfo)"}';

const red: readonly Panel[] = [
  {
    title: "Calls per second by service",
    about: "Rate. A sudden fall is as bad as a rise.",
    unit: "reqps",
    queries: { "{{service_name}}": rate(`${SERVER}_count`, "service_name") },
  },
  {
    title: "Share of calls that fail",
    about:
      "Errors that the service is to blame for; refusals are not among them. The objective is below 0.1 %.",
    unit: "percentunit",
    queries: { "{{service_name}}": "service:rpc_server_call:failed_ratio5m" },
  },
  {
    title: "Duration by service, p50 and p99",
    about: "Streams are left out. The objective: 99 % within 2.5 s.",
    unit: "s",
    queries: {
      "{{service_name}} p50": quantile(0.5, SERVER, "service_name", UNARY),
      "{{service_name}} p99": quantile(0.99, SERVER, "service_name", UNARY),
    },
  },
  {
    title: "Calls per second by method",
    about: "Who calls what.",
    unit: "reqps",
    queries: { "{{rpc_method}}": rate(`${SERVER}_count`, "rpc_method") },
  },
  {
    title: "Refused and failed calls by method and code",
    about:
      "RESOURCE_EXHAUSTED is shed load, UNAUTHENTICATED and PERMISSION_DENIED are callers, UNAVAILABLE and INTERNAL are ours.",
    unit: "reqps",
    queries: {
      "{{rpc_method}} {{rpc_response_status_code}}": rate(
        `${SERVER}_count{rpc_response_status_code!="OK"}`,
        "rpc_method, rpc_response_status_code",
      ),
    },
  },
  {
    title: "Duration by method, p95, with traces",
    about:
      "From spans: a dot is one call, and leads to its trace. Lower than the truth where traces are sampled by their outcome.",
    unit: "s",
    exemplars: true,
    queries: {
      "{{span_name}}": quantile(
        0.95,
        "traces_span_metrics_duration_seconds",
        "span_name",
        '{span_kind="SPAN_KIND_SERVER"}',
      ),
    },
  },
  {
    title: "Calls to other services, p95",
    about: "As the caller sees them, the way there included.",
    unit: "s",
    queries: {
      "{{service_name}} to {{rpc_method}}": quantile(
        0.95,
        CLIENT,
        "service_name, rpc_method",
        UNARY,
      ),
    },
  },
  {
    title: "Calls to other services that fail, and retries",
    about: "Retries without failures of callers: the retries do their work.",
    unit: "reqps",
    queries: {
      "{{rpc_method}} {{rpc_response_status_code}}": rate(
        `${CLIENT}_count{rpc_response_status_code!="OK"}`,
        "rpc_method, rpc_response_status_code",
      ),
      "retries of {{rpc_service}}": rate("tercet_rpc_client_retries_total", "rpc_service"),
    },
  },
  {
    title: "Spans per second by kind and status",
    about: "What arrives of traces. None while there are calls: tracing is off or broken.",
    unit: "reqps",
    queries: {
      "{{span_kind}} {{status_code}}": rate(
        "traces_span_metrics_calls_total",
        "span_kind, status_code",
      ),
    },
  },
];

const sagas: readonly Panel[] = [
  {
    title: "Parked",
    about: "Wait for an operator. Anything but 0 is an alert.",
    unit: "short",
    stat: true,
    queries: { "{{saga_kind}}": "max by (saga_kind) (tercet_saga_parked)" },
  },
  {
    title: "Open",
    about: "On their way now.",
    unit: "short",
    stat: true,
    queries: { open: "max(tercet_saga_open)" },
  },
  {
    title: "Age of the oldest open saga",
    about: "Above two minutes something is being undone, or stuck.",
    unit: "s",
    stat: true,
    queries: { oldest: "max(tercet_saga_oldest_open_age_seconds)" },
  },
  {
    title: "Of unknown version",
    about: "Left by a newer version that was rolled back.",
    unit: "short",
    stat: true,
    queries: { unknown: "max(tercet_saga_unknown_version)" },
  },
  {
    title: "Started, completed and compensated per second",
    about: "What starts must end one way or the other.",
    unit: "ops",
    queries: {
      "{{saga_kind}} started": rate("tercet_saga_started_total", "saga_kind"),
      "{{saga_kind}} completed": rate("tercet_saga_completed_total", "saga_kind"),
      "{{saga_kind}} compensated": rate("tercet_saga_compensated_total", "saga_kind"),
    },
  },
  {
    title: "Compensated by reason",
    about: "OUT_OF_STOCK and PAYMENT_DECLINED are business; a deadline is ours.",
    unit: "ops",
    queries: { "{{reason}}": rate("tercet_saga_compensated_total", "reason") },
  },
  {
    title: "Duration of sagas, p95",
    about: "From their start to their end, by how they ended.",
    unit: "s",
    queries: {
      "{{saga_kind}} {{saga_state}}": quantile(
        0.95,
        "tercet_saga_duration_seconds",
        "saga_kind, saga_state",
      ),
    },
  },
  {
    title: "Duration of steps, p95",
    about: "One attempt.",
    unit: "s",
    queries: {
      "{{saga_step}} {{saga_action}}": quantile(
        0.95,
        "tercet_saga_step_duration_seconds",
        "saga_step, saga_action",
      ),
    },
  },
  {
    title: "Attempts by step and outcome",
    about: "Unknown outcomes are asked for again.",
    unit: "ops",
    queries: {
      "{{saga_step}} {{saga_action}} {{outcome}}": rate(
        "tercet_saga_step_duration_seconds_count",
        "saga_step, saga_action, outcome",
      ),
      "{{saga_step}} unknown": rate("tercet_saga_unknown_outcomes_total", "saga_step"),
    },
  },
  {
    title: "In flight by process",
    about: "One process with all of them: its neighbours do not take their share.",
    unit: "short",
    queries: { "{{instance}}": "sum by (instance) (tercet_saga_in_flight)" },
  },
  {
    title: "Taken over, and writes fenced, in 10 minutes",
    about:
      "Take-overs: a process died or froze. Fenced writes: it came back. Both are survived; many are a symptom.",
    unit: "short",
    queries: {
      "{{saga_kind}} taken over": "sum by (saga_kind) (increase(tercet_saga_takeovers_total[10m]))",
      "{{saga_kind}} fenced": "sum by (saga_kind) (increase(tercet_saga_fenced_writes_total[10m]))",
    },
  },
  {
    title: "Payments per second",
    about: "Declined is the bank's decision, not a failure.",
    unit: "ops",
    queries: {
      "{{status}} {{reason}}": rate("tercet_payment_charges_total", "status, reason"),
      refunds: "sum(rate(tercet_payment_refunds_total[$__rate_interval]))",
    },
  },
  {
    title: "Payments abandoned, and charged late, in an hour",
    about:
      "Charged late: the provider took money for an abandoned payment. It is refunded; notify the provider.",
    unit: "short",
    queries: {
      abandoned: "sum(increase(tercet_payment_abandoned_total[1h]))",
      "charged late": "sum(increase(tercet_payment_late_charges_total[1h]))",
    },
  },
  {
    title: "The provider: duration, p95",
    about: "A slow provider is the slowest part of every order.",
    unit: "s",
    queries: {
      "{{operation}}": quantile(0.95, "tercet_payment_provider_duration_seconds", "operation"),
    },
  },
  {
    title: "The provider: calls by outcome",
    about: "Unknown: no response, so the payment may have been charged.",
    unit: "reqps",
    queries: {
      "{{operation}} {{outcome}}": rate(
        "tercet_payment_provider_duration_seconds_count",
        "operation, outcome",
      ),
    },
  },
];

const runtime: readonly Panel[] = [
  {
    title: "Processes that report metrics",
    about: "By service. Fewer than replicas: some are down or do not report.",
    unit: "short",
    queries: { "{{service_name}}": 'count by (service_name) (target_info{job!="collector"})' },
  },
  {
    title: "CPU by process",
    about: "Cores in use. JavaScript is one thread: near 1 it is saturated.",
    unit: "short",
    queries: {
      "{{service_name}} {{instance}}": rate(
        "process_cpu_time_seconds_total",
        "service_name, instance",
      ),
    },
  },
  {
    title: "Memory by process",
    about: "Resident. A line that only rises is a leak.",
    unit: "bytes",
    queries: {
      "{{service_name}} {{instance}}":
        "sum by (service_name, instance) (process_memory_usage_bytes)",
    },
  },
  {
    title: "Heap in use",
    about: "Of V8.",
    unit: "bytes",
    queries: {
      "{{service_name}}":
        "max by (service_name) (sum by (service_name, instance) (v8js_memory_heap_used_bytes))",
    },
  },
  {
    title: "Event loop delay, p50 and p99",
    about: "Everything in the process waits for this time.",
    unit: "s",
    queries: {
      "{{service_name}} p50": "max by (service_name) (nodejs_eventloop_delay_p50_seconds) - 0.05",
      "{{service_name}} p99": "max by (service_name) (nodejs_eventloop_delay_p99_seconds) - 0.05",
    },
  },
  {
    title: "Event loop utilization",
    about: "The share of time in which the loop was busy. Above 0.8 add replicas.",
    unit: "percentunit",
    queries: { "{{service_name}}": "max by (service_name) (nodejs_eventloop_utilization_ratio)" },
  },
  {
    title: "Time in garbage collection",
    about: "Share of time, by kind. Above 5 % the heap is too small, or too much is allocated.",
    unit: "percentunit",
    queries: {
      "{{service_name}} {{v8js_gc_type}}": rate(
        "v8js_gc_duration_seconds_sum",
        "service_name, v8js_gc_type",
      ),
    },
  },
  {
    title: "Open resources",
    about: "What keeps the event loop going: sockets, timers. A line that only rises is a leak.",
    unit: "short",
    queries: {
      "{{service_name}} {{v8js_resource_type}}":
        "sum by (service_name, v8js_resource_type) (v8js_resource_active)",
    },
  },
  {
    title: "Database operations per second",
    about: "Statements, by database.",
    unit: "ops",
    queries: {
      "{{db_namespace}} {{db_operation_name}}": rate(
        "db_client_operation_duration_seconds_count",
        "db_namespace, db_operation_name",
      ),
    },
  },
  {
    title: "Database operations, p95",
    about: "With the wait for a connection.",
    unit: "s",
    queries: {
      "{{db_namespace}} {{db_operation_name}}": quantile(
        0.95,
        "db_client_operation_duration_seconds",
        "db_namespace, db_operation_name",
      ),
    },
  },
  {
    title: "Connections of pools",
    about: "Used near max: see who waits.",
    unit: "short",
    queries: {
      "{{db_client_connection_pool_name}} {{db_client_connection_state}}":
        "sum by (db_client_connection_pool_name, db_client_connection_state) (db_client_connection_count)",
      "{{db_client_connection_pool_name}} max":
        "sum by (db_client_connection_pool_name) (db_client_connection_max)",
    },
  },
  {
    title: "Waiting for a connection, and given up",
    about: "Waiting for more than moments: statements are slow, or DATABASE_POOL_SIZE is small.",
    unit: "short",
    queries: {
      "{{db_client_connection_pool_name}} waiting":
        "sum by (db_client_connection_pool_name) (db_client_connection_pending_requests)",
      "{{db_client_connection_pool_name}} given up per second": rate(
        "db_client_connection_timeouts_total",
        "db_client_connection_pool_name",
      ),
    },
  },
  {
    title: "Breakers",
    about: "0 closed, 1 half open, 2 open.",
    unit: "short",
    queries: {
      "{{service_name}} to {{rpc_service}}":
        "max by (service_name, rpc_service) (tercet_breaker_state)",
    },
  },
  {
    title: "The collector: received per second, and its queue",
    about:
      "A queue that grows: Jaeger does not keep up. Nothing received: the services do not send.",
    unit: "short",
    queries: {
      "up: {{job}}": 'min by (job) (up{job=~"collector|services"})',
      spans: "sum(rate(otelcol_receiver_accepted_spans[$__rate_interval]))",
      "metric points": "sum(rate(otelcol_receiver_accepted_metric_points[$__rate_interval]))",
      "queue to {{exporter}}":
        "max by (exporter) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)",
    },
  },
];

/** The text of each dashboard by file name. Grafana imports it as it is. */
export const dashboards: Readonly<Record<string, string>> = {
  "red.json": dashboard("tercet-red", "Tercet: calls (RED)", red),
  "sagas.json": dashboard("tercet-sagas", "Tercet: sagas and payments", sagas),
  "runtime.json": dashboard("tercet-runtime", "Tercet: runtime (USE)", runtime),
};

export async function writeDashboards(): Promise<void> {
  const folder = join(ROOT, DASHBOARDS);
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(dashboards)) await writeFile(join(folder, name), text);
}

function dashboard(uid: string, title: string, panels: readonly Panel[]): string {
  const settings = {
    schemaVersion: 39,
    editable: false,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
  };
  const links = [
    {
      type: "dashboards",
      title: "Tercet",
      tags: ["tercet"],
      asDropdown: false,
      includeVars: false,
      keepTime: true,
    },
  ];
  return `${JSON.stringify({ uid, title, tags: ["tercet"], ...settings, links, panels: laidOut(panels) }, undefined, 2)}\n`;
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
  const targets = Object.entries(queries).map(([legendFormat, expr], index) => ({
    refId: String.fromCharCode("A".charCodeAt(0) + index),
    datasource,
    expr,
    legendFormat,
    ...(stat && { instant: true }),
    ...(exemplars && { exemplar: true }),
  }));
  const type = stat ? "stat" : "timeseries";
  return {
    type,
    title,
    description: about,
    datasource,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets,
  };
}
