import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Distribution } from "@tercet/cli";
import {
  type CommandContext,
  CommandError,
  liveLine,
  numberOf,
  ROOT,
  runCommand,
  table,
} from "@tercet/cli";
import { inFolder, type Verdict } from "./command.ts";
import { runPairs } from "./pairs.ts";
import { freshSeed } from "./random.ts";
import { runRolling } from "./rolling.ts";
import { runStorm, type StormResult } from "./storm.ts";
import { stormChart, stormLine, stormTable } from "./storm-report.ts";
import { runTakeover } from "./takeover.ts";

const MINUTES = { storm: 1, pairs: 120, takeover: 1 };
const BUYERS = "24";
const LANES = "2";
const REPLICAS = "20";
const ORDERS = "1000";
const ROUNDS = "10";

const help = `Usage: pnpm chaos [storm | pairs | takeover | rolling] [options]

storm (if nothing is said): starts the whole system, with two processes of Order and Payment each, in a folder of its own; places orders all
  the time; and meanwhile kills a process every 2 to 5 s, restarts PostgreSQL every 5 to 10 s as by a crash, freezes orchestrators for longer
  than their lease, ends database sessions, resets, slows and cuts the network between Order and Payment. The invariants are looked at all
  the while. At the end every order must have ended within 30 s, and the databases are compared with the provider's book.
  Prints a table, and writes it with a chart of the throughput to a folder.

pairs: kills a process at one failpoint, and on the retry at another, for every pair of failpoints that an order can come by.

takeover: many Order replicas on one database; every 2 s one is killed and one is frozen for longer than its lease, while orders come in.

rolling: two replicas each of Order and Payment behind a balancer are replaced one by one, as by a Deployment, while they are called over HTTP/1.1 and
  HTTP/2 (gRPC) all the time. No call may fail.

The exit code is 1 when anything was breached.

Options:
  --minutes N    how long it goes on, at most: storm ${MINUTES.storm}, pairs ${MINUTES.pairs} (when all were tried it ends), takeover ${MINUTES.takeover}
  --seed N       which misfortunes, as far as time allows, or the order of the pairs; random by default, and printed
  --buyers N     storm: how many buy at once: ${BUYERS}
  --out FOLDER   storm: where chaos.json and chaos.svg go: reports/chaos
  --limit N      pairs: how many, instead of all
  --lanes N      pairs: how many systems side by side: ${LANES}
  --replicas N   takeover: how many Order replicas: ${REPLICAS}
  --orders N     takeover: how many orders: ${ORDERS}
  --rounds N     rolling: how often every replica is replaced: ${ROUNDS}`;

await runCommand({
  help,
  allowWords: true,
  options: {
    minutes: { type: "string" },
    seed: { type: "string", default: String(freshSeed()) },
    buyers: { type: "string", default: BUYERS },
    out: { type: "string", default: join(ROOT, "reports", "chaos") },
    limit: { type: "string", default: "1000000" },
    lanes: { type: "string", default: LANES },
    replicas: { type: "string", default: REPLICAS },
    orders: { type: "string", default: ORDERS },
    rounds: { type: "string", default: ROUNDS },
  },
  run: async (context) => {
    const [word = "storm", ...more] = context.words;
    if (more.length > 0) throw new CommandError("one thing at a time; see --help");
    if (word === "rolling") return await inFolder(context, (dataDir) => rolling(context, dataDir));
    context.terminal.line(`seed ${numberOf(context, "seed")}`);
    if (word === "storm") return await inFolder(context, (dataDir) => storm(context, dataDir));
    if (word === "pairs") return await inFolder(context, (dataDir) => pairs(context, dataDir));
    if (word === "takeover")
      return await inFolder(context, (dataDir) => takeover(context, dataDir));
    throw new CommandError(`there is no "${word}"; see --help`);
  },
});

function durationOf(context: CommandContext, fallback: number): number {
  return (
    60_000 * (context.values["minutes"] === undefined ? fallback : numberOf(context, "minutes"))
  );
}

async function storm(context: CommandContext, dataDir: string): Promise<Verdict> {
  const { terminal, signal, values } = context;
  const show = liveLine(context);
  const result = await runStorm({
    dataDir,
    durationMs: durationOf(context, MINUTES.storm),
    seed: numberOf(context, "seed"),
    buyers: numberOf(context, "buyers"),
    signal,
    onProgress: (progress) => show(stormLine(progress), progress.phase),
  });
  for (const line of stormTable(result)) terminal.line(line);
  await write(String(values["out"]), result);
  terminal.line(`${values["out"]}: chaos.svg, chaos.json`);
  return { breaches: [...result.breaches, ...missed(result)] };
}

/** What is not of one order: how long take-overs took, and whether there was anything to see. */
function missed({ takeOvers: { delaysMs }, leaseMs, acknowledged }: StormResult): string[] {
  return [
    ...tooLate(delaysMs, leaseMs),
    ...(acknowledged > 0 ? [] : ["no order was acknowledged"]),
  ];
}

function tooLate({ p99 }: Distribution, leaseMs: number): string[] {
  const allowedMs = leaseMs + 1_000;
  return p99 < allowedMs
    ? []
    : [`the p99 of take-overs is ${p99} ms, it must be less than ${allowedMs} ms`];
}

async function write(folder: string, result: StormResult): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { endings: _, failures, ...rest } = result;
  await writeFile(
    join(folder, "chaos.json"),
    `${JSON.stringify({ ...rest, failures: Object.fromEntries(failures) }, null, 2)}\n`,
  );
  await writeFile(join(folder, "chaos.svg"), stormChart(result));
}

async function pairs(context: CommandContext, dataDir: string): Promise<Verdict> {
  const show = liveLine(context);
  const result = await runPairs({
    dataDir,
    seed: numberOf(context, "seed"),
    lanes: numberOf(context, "lanes"),
    limit: numberOf(context, "limit"),
    durationMs: durationOf(context, MINUTES.pairs),
    signal: context.signal,
    onProgress: ({ all, tried, both, breaches }) =>
      show(`${tried} of ${all} pairs tried, ${both} killed twice, ${breaches.length} breaches`),
  });
  const { all, tried, both, firstOnly, none } = result;
  context.terminal.line(
    `${tried} of ${all} pairs: ${both} killed twice, ${firstOnly} ended before they came by the second, ${none} before the first`,
  );
  return result;
}

async function takeover(context: CommandContext, dataDir: string): Promise<Verdict> {
  const show = liveLine(context);
  const leaseMs = 2_000;
  const result = await runTakeover({
    dataDir,
    replicas: numberOf(context, "replicas"),
    orders: numberOf(context, "orders"),
    seconds: durationOf(context, MINUTES.takeover) / 1_000,
    leaseMs,
    seed: numberOf(context, "seed"),
    signal: context.signal,
    onProgress: ({ doing, placed, kills, freezes, fencedWrites }) =>
      show(
        `${doing}: ${placed} orders, ${kills} kills, ${freezes} freezes, ${fencedWrites} fenced writes`,
        doing,
      ),
  });
  const {
    kills,
    freezes,
    takeovers,
    delaysMs,
    fencedWrites,
    ordersByStatus,
    finishedByReplica,
    violations,
  } = result;
  const lines = table([
    ...Object.entries(ordersByStatus).map(([status, count]) => [status, String(count)] as const),
    ["kills, freezes", `${kills}, ${freezes}`],
    ["take-overs", String(takeovers)],
    [
      "  delay p50, p99, max",
      `${delaysMs.p50}, ${delaysMs.p99}, ${delaysMs.max} ms; lease ${leaseMs} ms`,
    ],
    ["fenced writes", String(fencedWrites)],
    [
      "sagas per replica",
      `min ${finishedByReplica.min}, median ${finishedByReplica.p50}, max ${finishedByReplica.max}`,
    ],
  ]);
  for (const line of lines) context.terminal.line(line);
  return { breaches: [...violations, ...tooLate(delaysMs, leaseMs)] };
}

async function rolling(context: CommandContext, dataDir: string): Promise<Verdict> {
  const show = liveLine(context);
  const result = await runRolling({
    dataDir,
    rounds: numberOf(context, "rounds"),
    signal: context.signal,
    onProgress: ({ round, replaced, calls, failed }) =>
      show(`round ${round}: ${replaced} replaced, ${calls} calls, ${failed} failed`),
  });
  const { replaced, rounds, drainMs, orders, lanes } = result;
  const lines = table([
    ["replicas replaced", `${replaced}, in ${rounds} rounds`],
    ["  drain p50, max", `${drainMs.p50}, ${drainMs.max} ms`],
    ["orders", String(orders)],
    ...lanes.map(
      ({ name, calls, failures, ms }) =>
        [
          name,
          `${calls} calls, ${failures.length} failed; p50 ${ms.p50}, p99 ${ms.p99} ms`,
        ] as const,
    ),
  ]);
  for (const line of lines) context.terminal.line(line);
  return result;
}
