import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, clock, ROOT, timeChart } from "@tercet/cli";
import { provideMongod } from "@tercet/cli/repository";
import { chaosCommand, slowTakeOvers } from "./command.ts";
import type { FaultKind } from "./fault-log.ts";
import { freshSeed } from "./random.ts";
import { runStorm, type StormResult } from "./storm.ts";

const DEFAULTS = { minutes: 1, seed: freshSeed(), buyers: 24 };
const OUT = join("reports", "chaos");

export const stormCommand = chaosCommand({
  help: `Usage: pnpm chaos [storm] [options]

Starts a system with two processes each of Order and Payment, and places orders. Meanwhile it
kills a process every 2 to 5 s and PostgreSQL every 5 to 10 s, freezes orchestrators for longer
than their lease, ends database sessions, and resets, slows and cuts the network between Order
and Payment. Invariants are checked all the time. At the end every order must have ended within
30 s, and the databases are compared with the provider's book.

With --payments mongodb, payments are in a replica set of three MongoDB servers, of which one at
a time is killed, frozen or made to step down, mostly the primary.

Prints a table, and writes it with a chart of the throughput to a folder.

Options:
  --minutes N    how long faults are injected; default ${DEFAULTS.minutes}
  --seed N       chooses the faults, but not when orders reach them; default random, printed
  --buyers N     how many shoppers place orders at once; default ${DEFAULTS.buyers}
  --payments DB  postgres or mongodb: where payments are; mongodb is downloaded once (42 MB), or is
                 the mongod that MONGOMS_SYSTEM_BINARY names; default postgres
  --out FOLDER   where chaos.json and chaos.svg are written; default ${OUT}`,
  numbers: DEFAULTS,
  choices: { payments: ["postgres", "mongodb"] },
  out: join(ROOT, OUT),
  run: async ({ minutes, payments, ...options }, folder) => {
    const mongod = payments === "mongodb" ? await findMongod() : undefined;
    const result = await runStorm({ ...options, mongod, durationMs: 60_000 * minutes });
    const { endings: _, failures, ...rest } = result;
    const json = { ...rest, failures: Object.fromEntries(failures) };
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "chaos.json"), `${JSON.stringify(json, null, 2)}\n`);
    await writeFile(join(folder, "chaos.svg"), stormChart(result));
    const { breaches, takeOvers, leaseMs, acknowledged } = result;
    return {
      rows: [...rows(result), ["chart and data", folder]],
      breaches: [
        ...breaches,
        ...slowTakeOvers(takeOvers.delaysMs, leaseMs),
        ...(acknowledged > 0 ? [] : ["no order was acknowledged"]),
      ],
    };
  },
});

const findMongod = (): Promise<string> =>
  provideMongod().catch((error: unknown) => {
    const [reason] = String(error).split("\n");
    throw new CommandError(`MongoDB is not available: ${reason}`, { cause: error });
  });

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

const sorted = (counts: Iterable<readonly [string, number]>, prefix = ""): [string, string][] =>
  [...counts].sort().map(([name, count]) => [`  ${prefix}${name}`, String(count)]);

function rows(result: StormResult): [string, string][] {
  const { faults, settledMs, leaseMs } = result;
  const { count, delaysMs } = result.takeOvers;
  const kinds = Map.groupBy(faults, ({ kind }) => kind);
  return [
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
    ["  allowed p99", `lease ${seconds(leaseMs)} + 0.5 s`],
    ["fenced writes", String(result.fencedWrites)],
    ["invariant checks", String(result.checks)],
    ["breaches", String(result.breaches.length)],
  ];
}

const COLOURS: Readonly<Partial<Record<FaultKind, string>>> = {
  "identity killed": "#7b5ea7",
  "order killed": "#c0392b",
  "payment killed": "#e08e0b",
  "PostgreSQL down": "#4a6fa5",
  "order frozen": "#5dade2",
  "MongoDB killed": "#13aa52",
  "MongoDB frozen": "#76d7a3",
  "MongoDB stepped down": "#0b6b35",
  "sessions ended": "#16a085",
  "network reset": "#8d6e63",
  "network slow": "#f7dc6f",
  "black hole": "#2c3e50",
};
/** Of a service that was added. */
const OTHER_COLOUR = "#95a5a6";
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
        colour: COLOURS[kind] ?? OTHER_COLOUR,
        fromMs: at(from),
        toMs: at(to),
      })),
    marks: faults
      .filter(({ kind }) => !BANDS.has(kind))
      .map(({ kind, from }) => ({
        label: kind,
        colour: COLOURS[kind] ?? OTHER_COLOUR,
        atMs: at(from),
      })),
  });
}
