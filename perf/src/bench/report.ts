import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BarChart, barChart, ROOT, table } from "@tercet/cli";
import type { CallFigures, CallsResult } from "./calls.ts";
import type { Compared } from "./compare.ts";
import type { SagaFigures } from "./sagas.ts";
import type { TelemetryFigures } from "./telemetry.ts";

/** The results of a benchmark: as lines, as data, and as a chart. */
export interface Report {
  readonly name: "telemetry" | "calls" | "sagas";
  readonly lines: readonly string[];
  readonly data: unknown;
  readonly chart: BarChart;
}

/** Writes a report to reports/bench. Resolves to its path there, without extension. */
export async function keep({ name, data, chart }: Report): Promise<string> {
  const folder = join(ROOT, "reports", "bench");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(data, null, 2)}\n`);
  await writeFile(join(folder, `${name}.svg`), barChart(chart));
  return join("reports", "bench", name);
}

const group = <F extends { readonly variant: string }>(
  name: string,
  figures: readonly F[],
  of: (figure: F) => Compared,
  unit = "",
): BarChart["groups"][number] => ({
  name,
  bars: figures.map((figure) => ({
    name: figure.variant,
    value: of(figure).value,
    label: shown(of(figure), unit),
  })),
});

export function telemetryReport(figures: readonly TelemetryFigures[]): Report {
  const lines = table([
    ["", "orders/s saturated | at half that rate: p50, p95, CPU of the services per order"],
    ...figures.map(({ variant, ordersPerSecond, p50, p95, cpuPerOrder }): [string, string] => [
      variant,
      `${shown(ordersPerSecond)} | ${shown(p50, "ms")}, ${shown(p95, "ms")}, ${shown(cpuPerOrder, "ms")}`,
    ]),
  ]);
  const groups = [
    group("orders/s, saturated", figures, ({ ordersPerSecond }) => ordersPerSecond),
    group("p50 at half that rate", figures, ({ p50 }) => p50, "ms"),
    group("p95 at half that rate", figures, ({ p95 }) => p95, "ms"),
    group("CPU per order at half that rate", figures, ({ cpuPerOrder }) => cpuPerOrder, "ms"),
  ];
  const chart = { title: "What traces and metrics cost", groups };
  return { name: "telemetry", lines, data: figures, chart };
}

export function callsReport({ servers, clients }: CallsResult): Report {
  const rows = (side: string, figures: readonly CallFigures[]) =>
    table([
      [side, "calls/s | their CPU per call | p50, p99"],
      ...figures.map(({ variant, callsPerSecond, cpuPerCall, p50, p99 }): [string, string] => [
        variant,
        `${shown(callsPerSecond)} | ${shown(cpuPerCall, "µs")} | ${shown(p50, "ms")}, ${shown(p99, "ms")}`,
      ]),
    ]);
  const groups = Object.entries({ servers, clients }).flatMap(([side, figures]) => [
    group(`${side}: calls/s`, figures, ({ callsPerSecond }) => callsPerSecond),
    group(`${side}: CPU per call`, figures, ({ cpuPerCall }) => cpuPerCall, "µs"),
  ]);
  return {
    name: "calls",
    lines: [...rows("servers", servers), "", ...rows("clients", clients)],
    data: { servers, clients },
    chart: { title: "What a unary gRPC call costs", groups },
  };
}

export function sagasReport(figures: readonly SagaFigures[]): Report {
  const lines = table([
    ["", "orders/s | p50, p99 | CPU per order | commits per order | WAL bytes per order"],
    ...figures.map((figure): [string, string] => [
      `${figure.inFlight} in flight, ${figure.variant}`,
      [
        shown(figure.ordersPerSecond),
        `${shown(figure.p50, "ms")}, ${shown(figure.p99, "ms")}`,
        shown(figure.cpuPerOrder, "ms"),
        shown(figure.commitsPerOrder),
        shown(figure.walPerOrder),
      ].join(" | "),
    ]),
  ]);
  const groups = [...Map.groupBy(figures, ({ inFlight }) => inFlight)].map(([inFlight, some]) =>
    group(`orders/s, ${inFlight} in flight`, some, ({ ordersPerSecond }) => ordersPerSecond),
  );
  const chart = { title: "What the saga engine costs", groups };
  return { name: "sagas", lines, data: figures, chart };
}

/** Formats a figure with its ratio to the first variant, and the interval of that ratio. */
function shown({ value, ratio, from, to }: Compared, unit = ""): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${unit && ` ${unit}`} (${ratio.toFixed(2)}; ${from.toFixed(2)} to ${to.toFixed(2)})`;
}
