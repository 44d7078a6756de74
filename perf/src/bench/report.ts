import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BarChart, barChart, ROOT, table } from "@tercet/cli";
import type { CallFigures, CallsResult } from "./calls.ts";
import type { Compared } from "./compare.ts";
import type { SagaFigures } from "./sagas.ts";
import type { TelemetryFigures } from "./telemetry.ts";

/** What a benchmark found: in lines, as data, and drawn. */
export interface Report {
  readonly name: "telemetry" | "calls" | "sagas";
  readonly lines: readonly string[];
  readonly data: unknown;
  readonly chart: BarChart;
}

/** Answers where it is kept. */
export async function keep({ name, data, chart }: Report): Promise<string> {
  const folder = join(ROOT, "reports", "bench");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(data, null, 2)}\n`);
  await writeFile(join(folder, `${name}.svg`), barChart(chart));
  return join("reports", "bench", name);
}

export function telemetryReport(figures: readonly TelemetryFigures[]): Report {
  const lines = table([
    ["", "orders/s saturated | at half that rate: p50, p95, CPU of the services for an order"],
    ...figures.map(({ variant, ordersPerSecond, p50, p95, cpuPerOrder }): [string, string] => [
      variant,
      `${shown(ordersPerSecond)} | ${shown(p50, "ms")}, ${shown(p95, "ms")}, ${shown(cpuPerOrder, "ms")}`,
    ]),
  ]);
  const group = (name: string, of: (figure: TelemetryFigures) => Compared, unit = "") => ({
    name,
    bars: figures.map((figure) => ({
      name: figure.variant,
      value: of(figure).value,
      label: shown(of(figure), unit),
    })),
  });
  const groups = [
    group("orders/s, saturated", ({ ordersPerSecond }) => ordersPerSecond),
    group("p50 at half that rate", ({ p50 }) => p50, "ms"),
    group("p95 at half that rate", ({ p95 }) => p95, "ms"),
    group(
      "CPU of the services for an order, at half that rate",
      ({ cpuPerOrder }) => cpuPerOrder,
      "ms",
    ),
  ];
  return {
    name: "telemetry",
    lines,
    data: figures,
    chart: { title: "What traces and metrics cost", groups },
  };
}

export function callsReport({ servers, clients }: CallsResult): Report {
  const rows = (figures: readonly CallFigures[]) =>
    figures.map(({ variant, callsPerSecond, cpuPerCall, p50, p99 }): [string, string] => [
      variant,
      `${shown(callsPerSecond)} | ${shown(cpuPerCall, "µs")} | ${shown(p50, "ms")}, ${shown(p99, "ms")}`,
    ]);
  const lines = [
    ...table([["servers", "calls/s | their CPU for a call | p50, p99"], ...rows(servers)]),
    "",
    ...table([["clients", "calls/s | their CPU for a call | p50, p99"], ...rows(clients)]),
  ];
  const group = (
    name: string,
    figures: readonly CallFigures[],
    of: (figure: CallFigures) => Compared,
    unit = "",
  ) => ({
    name,
    bars: figures.map((figure) => ({
      name: figure.variant,
      value: of(figure).value,
      label: shown(of(figure), unit),
    })),
  });
  const groups = [
    group("servers: calls/s", servers, ({ callsPerSecond }) => callsPerSecond),
    group("servers: CPU for a call", servers, ({ cpuPerCall }) => cpuPerCall, "µs"),
    group("clients: calls/s", clients, ({ callsPerSecond }) => callsPerSecond),
    group("clients: CPU for a call", clients, ({ cpuPerCall }) => cpuPerCall, "µs"),
  ];
  return {
    name: "calls",
    lines,
    data: { servers, clients },
    chart: { title: "What a unary gRPC call costs", groups },
  };
}

export function sagasReport(figures: readonly SagaFigures[]): Report {
  const lines = table([
    ["", "orders/s | p50, p99 | CPU for an order | commits for an order | WAL bytes for an order"],
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
  const groups = [...Map.groupBy(figures, ({ inFlight }) => inFlight)].map(([inFlight, some]) => ({
    name: `orders/s, ${inFlight} in flight`,
    bars: some.map(({ variant, ordersPerSecond }) => ({
      name: variant,
      value: ordersPerSecond.value,
      label: shown(ordersPerSecond),
    })),
  }));
  return {
    name: "sagas",
    lines,
    data: figures,
    chart: { title: "What the saga engine costs", groups },
  };
}

/** With the ratio to the first in the same round, and where half of the rounds lie. */
function shown({ value, ratio, from, to }: Compared, unit = ""): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${unit && ` ${unit}`} (${ratio.toFixed(2)}; ${from.toFixed(2)} to ${to.toFixed(2)})`;
}
