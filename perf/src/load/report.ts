import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clock, type Panel, ROOT, type Terminal, table, timeChart } from "@tercet/cli";
import type { LoadResult } from "./load.ts";
import { scenarios } from "./scenarios.ts";
import type { LoadProgress } from "./series.ts";

const ms = (value: number | undefined): string =>
  value === undefined ? "-" : `${Math.round(value)} ms`;
const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** Returns the line that is shown during a run. */
export function loadLine(
  { elapsedMs, users, perSecond, p95, failed }: LoadProgress,
  minutes: number,
  unit: string,
): string {
  const time = `${clock(elapsedMs)} of ${clock(minutes * 60_000)}`;
  // Calls have a rate, orders have users.
  const who = unit === "order" ? `${users ?? 0} users, ` : "";
  return `${time}  ${who}${perSecond.toFixed(1)} ${unit}s/s, p95 ${ms(p95)}; ${failed} not as expected`;
}

/** Returns the table that is shown at the end. */
export function loadTable(result: LoadResult, { styled }: Pick<Terminal, "styled">): string[] {
  const { scenario, metrics, thresholds, complaints, clientCpuShare } = result;
  const { unit, duration } = scenarios[scenario];
  const { passes = 0, fails = 0 } = metrics["payment_processing_success"] ?? {};
  const took = metrics[duration] ?? {};
  const mark = (passed: boolean) => (passed ? styled("green", "✓") : styled("red", "✗"));
  return [
    ...table([
      [`${unit}s`, `${passes + fails}, ${fails} of them not as expected`],
      ...["confirmed", "declined", "soldOut", "charge", "decline", "refund"].flatMap(
        (kind): [string, string][] => {
          const count = metrics[`expected_endings{kind:${kind}}`]?.["count"];
          return count === undefined ? [] : [[`  ${kind}`, String(count)]];
        },
      ),
      [
        `${unit} p50, p95, p99, max`,
        ["med", "p(95)", "p(99)", "max"].map((name) => ms(took[name])).join(", "),
      ],
      [
        "k6's own share of the processors",
        clientCpuShare === undefined ? "-" : percent(clientCpuShare),
      ],
    ]),
    ...thresholds.map(({ metric, rule, passed }) => `${mark(passed)} ${metric} ${rule}`),
    ...Object.entries(complaints)
      .sort(([, a], [, b]) => b - a)
      .slice(0, MOST_COMPLAINTS)
      .map(([complaint, count]) => `${styled("yellow", "!")} ${count} × ${complaint}`),
  ];
}

const MOST_COMPLAINTS = 8;

/** Draws rate, failures and latencies over time. */
function loadChart({ scenario, minutes, startTime, timeline }: LoadResult): string {
  const { unit } = scenarios[scenario];
  const { stepMs, users, perSecond, failedPerSecond, p50, p95, p99 } = timeline;
  const panels: Panel[] = [
    {
      title: "users",
      height: 60,
      lines: [{ name: "users", colour: COLOURS.plain, values: users }],
    },
    {
      title: `${unit}s per second`,
      lines: [
        { name: "all", colour: COLOURS.good, values: perSecond },
        { name: "not as expected", colour: COLOURS.bad, values: failedPerSecond },
      ],
    },
    {
      title: `milliseconds per ${unit}`,
      height: 200,
      lines: [
        { name: "p50", colour: COLOURS.p50, values: p50 },
        { name: "p95", colour: COLOURS.p95, values: p95 },
        { name: "p99", colour: COLOURS.p99, values: p99 },
      ],
      limits: [
        { label: "limit of the whole run's p95", colour: COLOURS.p95, value: 500 },
        { label: "of its p99", colour: COLOURS.p99, value: 1_000 },
      ],
    },
  ];
  return timeChart({
    title: `pnpm load ${scenario}, ${clock(minutes * 60_000)} min, ${startTime.slice(0, 16).replace("T", " ")} UTC`,
    stepMs,
    // Calls have a rate, not users.
    panels: panels.slice(unit === "order" ? 0 : 1),
  });
}

/** Legible on white and on near black. */
const COLOURS = {
  plain: "#7a828e",
  good: "#1a8a6b",
  bad: "#d64545",
  p50: "#3d7fc4",
  p95: "#c9791a",
  p99: "#a65bb8",
};

/** Writes JSON and chart, to reports/load by default. Resolves to their path without extension. */
export async function keep(
  result: LoadResult,
  folder = join(ROOT, "reports", "load"),
): Promise<string> {
  const path = join(folder, result.scenario);
  await mkdir(folder, { recursive: true });
  await writeFile(`${path}.json`, `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(`${path}.svg`, loadChart(result));
  return path;
}
