import { clock, table, timeChart } from "@tercet/cli";
import type { FaultKind } from "./chronicle.ts";
import type { StormProgress, StormResult } from "./storm.ts";

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** How a storm stands. */
export function stormLine({
  phase,
  elapsedMs,
  acknowledged,
  kills,
  restarts,
  otherFaults,
  checks,
  breaches,
}: StormProgress): string {
  const rate = elapsedMs > 0 ? (acknowledged / elapsedMs) * 1_000 : 0;
  return `${clock(elapsedMs)} ${phase.padEnd(8)} ${acknowledged} orders (${rate.toFixed(1)}/s), ${kills} kills, ${restarts} database restarts, ${otherFaults} other faults, ${checks} checks, ${breaches} breaches`;
}

/** The table at the end. */
export function stormTable(result: StormResult): string[] {
  const {
    orders,
    acknowledged,
    calls,
    slowestCallMs,
    failures,
    faults,
    settledMs,
    checks,
    fencedWrites,
    takeOvers,
    leaseMs,
    breaches,
  } = result;
  const kinds = Map.groupBy(faults, ({ kind }) => kind);
  const { count, delaysMs } = takeOvers;
  const rows: [string, string][] = [
    ["seed", String(result.seed)],
    ["time", clock(result.durationMs)],
    ["orders acknowledged", String(acknowledged)],
    ...Object.entries(orders)
      .sort()
      .map(([status, number]): [string, string] => [`  ${status}`, String(number)]),
    ["calls", `${calls}, slowest ${seconds(slowestCallMs)}`],
    ...[...failures]
      .sort()
      .map(([code, number]): [string, string] => [`  failed: ${code}`, String(number)]),
    ["faults", String(faults.length)],
    ...[...kinds]
      .sort()
      .map(([kind, some]): [string, string] => [`  ${kind}`, String(some.length)]),
    ["all ended", settledMs === undefined ? "NO" : `${seconds(settledMs)} after the last fault`],
    ["take-overs", `${count}, ${delaysMs.count} of them undisturbed`],
    ["  delay p50, p99, max", [delaysMs.p50, delaysMs.p99, delaysMs.max].map(seconds).join(", ")],
    ["  allowed p99", `lease ${seconds(leaseMs)} + 1 s`],
    ["fenced writes", String(fencedWrites)],
    ["invariant checks", String(checks)],
    ["breaches", String(breaches.length)],
  ];
  return table(rows);
}

const COLOURS: Readonly<Record<FaultKind, string>> = {
  "identity killed": "#7b5ea7",
  "order killed": "#c0392b",
  "payment killed": "#e08e0b",
  "PostgreSQL down": "#4a6fa5",
  "order frozen": "#5dade2",
  "sessions ended": "#16a085",
  "network reset": "#8d6e63",
  "network slow": "#f7dc6f",
  "black hole": "#2c3e50",
};
const BANDS: ReadonlySet<FaultKind> = new Set(["PostgreSQL down", "network slow", "black hole"]);

/** Orders that ended in each second, and what was done to the system meanwhile. */
export function stormChart({ startedAt, endings, faults, seed }: StormResult): string {
  const begin = Math.min(startedAt, ...endings);
  const perSecond = Array.from<number>({
    length: Math.ceil((Math.max(startedAt, ...endings) - begin) / 1_000) + 1,
  }).fill(0);
  for (const time of endings)
    perSecond[Math.floor((time - begin) / 1_000)] =
      (perSecond[Math.floor((time - begin) / 1_000)] ?? 0) + 1;
  const at = (time: number) => Math.max(0, time - begin);
  return timeChart({
    title: `pnpm chaos --seed ${seed}: ${endings.length} orders`,
    stepMs: 1_000,
    panels: [
      {
        title: "orders that ended, per second",
        lines: [{ name: "orders", colour: "#1a8a6b", values: perSecond }],
        height: 240,
      },
    ],
    bands: faults
      .filter(({ kind }) => BANDS.has(kind))
      .map(({ kind, from, to = from }) => ({
        label: kind,
        colour: COLOURS[kind],
        fromMs: at(from),
        toMs: at(to),
      })),
    marks: faults
      .filter(({ kind }) => !BANDS.has(kind))
      .map(({ kind, from }) => ({ label: kind, colour: COLOURS[kind], atMs: at(from) })),
  });
}
