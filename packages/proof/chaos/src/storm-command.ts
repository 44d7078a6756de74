import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clock, liveLine, numberOf, ROOT, table, timeChart } from "@tercet/cli";
import { chaosCommand, durationOf, slowTakeOvers } from "./command.ts";
import type { FaultKind } from "./fault-log.ts";
import { freshSeed } from "./random.ts";
import { runStorm, type StormProgress, type StormResult } from "./storm.ts";

const [MINUTES, BUYERS, OUT] = ["1", "24", join("reports", "chaos")];

export const stormCommand = chaosCommand({
  help: `Usage: pnpm chaos [storm] [options]

Starts a system with two processes each of Order and Payment, and places orders. Meanwhile it
kills a process every 2 to 5 s and PostgreSQL every 5 to 10 s, freezes orchestrators for longer
than their lease, ends database sessions, and resets, slows and cuts the network between Order
and Payment. Invariants are checked all the time. At the end every order must have ended within
30 s, and the databases are compared with the provider's book.

Prints a table, and writes it with a chart of the throughput to a folder.

Options:
  --minutes N    how long faults are injected; default ${MINUTES}
  --seed N       chooses the faults, but not when orders reach them; default random, printed
  --buyers N     how many shoppers place orders at once; default ${BUYERS}
  --out FOLDER   where chaos.json and chaos.svg are written; default ${OUT}`,
  options: {
    minutes: { type: "string", default: MINUTES },
    seed: { type: "string", default: String(freshSeed()) },
    buyers: { type: "string", default: BUYERS },
    out: { type: "string", default: join(ROOT, OUT) },
  },
  run: async (context, dataDir) => {
    const { terminal, signal, values } = context;
    const show = liveLine(context);
    const result = await runStorm({
      dataDir,
      durationMs: durationOf(context),
      seed: numberOf(context, "seed"),
      buyers: numberOf(context, "buyers"),
      signal,
      onProgress: (progress) => show(stormLine(progress), progress.phase),
    });
    for (const line of stormTable(result)) terminal.line(line);
    const folder = String(values["out"]);
    await mkdir(folder, { recursive: true });
    const { endings: _, failures, ...rest } = result;
    const json = { ...rest, failures: Object.fromEntries(failures) };
    await writeFile(join(folder, "chaos.json"), `${JSON.stringify(json, null, 2)}\n`);
    await writeFile(join(folder, "chaos.svg"), stormChart(result));
    terminal.line(`${folder}: chaos.svg, chaos.json`);
    const { breaches, takeOvers, leaseMs, acknowledged } = result;
    return [
      ...breaches,
      ...slowTakeOvers(takeOvers.delaysMs, leaseMs),
      ...(acknowledged > 0 ? [] : ["no order was acknowledged"]),
    ];
  },
});

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

function stormLine({
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
  return [
    `${clock(elapsedMs)} ${phase.padEnd(8)} ${acknowledged} orders (${rate.toFixed(1)}/s)`,
    `${kills} kills, ${restarts} database restarts, ${otherFaults} other faults`,
    `${checks} checks, ${breaches} breaches`,
  ].join(", ");
}

const sorted = (counts: Iterable<readonly [string, number]>, prefix = ""): [string, string][] =>
  [...counts].sort().map(([name, count]) => [`  ${prefix}${name}`, String(count)]);

function stormTable(result: StormResult): string[] {
  const { faults, settledMs, leaseMs } = result;
  const kinds = Map.groupBy(faults, ({ kind }) => kind);
  const { count, delaysMs } = result.takeOvers;
  return table([
    ["seed", String(result.seed)],
    ["time", clock(result.durationMs)],
    ["orders acknowledged", String(result.acknowledged)],
    ...sorted(Object.entries(result.orders)),
    ["calls", `${result.calls}, slowest ${seconds(result.slowestCallMs)}`],
    ...sorted(result.failures, "failed: "),
    ["faults", String(faults.length)],
    ...sorted([...kinds].map(([kind, some]) => [kind, some.length])),
    ["all ended", settledMs === undefined ? "NO" : `${seconds(settledMs)} after the last fault`],
    ["take-overs", `${count}, ${delaysMs.count} of them undisturbed`],
    ["  delay p50, p99, max", [delaysMs.p50, delaysMs.p99, delaysMs.max].map(seconds).join(", ")],
    ["  allowed p99", `lease ${seconds(leaseMs)} + 1 s`],
    ["fenced writes", String(result.fencedWrites)],
    ["invariant checks", String(result.checks)],
    ["breaches", String(result.breaches.length)],
  ]);
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

/** Draws the orders that ended in each second, and the faults. */
function stormChart({ startedAt, endings, faults, seed }: StormResult): string {
  const begin = Math.min(startedAt, ...endings);
  const seconds = Math.ceil((Math.max(startedAt, ...endings) - begin) / 1_000) + 1;
  const bySecond = Map.groupBy(endings, (time) => Math.floor((time - begin) / 1_000));
  const perSecond = Array.from({ length: seconds }, (_, n) => bySecond.get(n)?.length ?? 0);
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
