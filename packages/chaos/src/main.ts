import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CommandContext, ROOT, runCommand, StackError } from "@tercet/stack";
import { inFolder, liveLine, numberOf, type Verdict } from "./command.ts";
import { runPairs } from "./pairs.ts";
import { freshSeed } from "./random.ts";
import { runStorm, type StormResult } from "./storm.ts";
import { stormChart, stormLine, stormTable } from "./storm-report.ts";

const MINUTES = { storm: 1, pairs: 120 };
const BUYERS = "24";
const LANES = "2";

const help = `Usage: pnpm chaos [storm | pairs] [options]

storm (if nothing is said): starts the whole system, with two processes of Order and Payment each, in a folder of its own; places orders all
  the time; and meanwhile kills a process every 2 to 5 s, restarts PostgreSQL every 5 to 10 s as by a crash, freezes orchestrators for longer
  than their lease, ends database sessions, resets, slows and cuts the network between Order and Payment. The invariants are looked at all
  the while. At the end every order must have ended within 30 s, and the databases are compared with the provider's book.
  Prints a table, and writes it with a chart of the throughput to a folder.

pairs: kills a process at one failpoint, and on the retry at another, for every pair of failpoints that an order can come by.

The exit code is 1 when anything was breached.

Options:
  --minutes N    how long it goes on, at most: storm ${MINUTES.storm}, pairs ${MINUTES.pairs} (when all were tried it ends)
  --seed N       which misfortunes, as far as time allows, or the order of the pairs; random by default, and printed
  --buyers N     storm: how many buy at once: ${BUYERS}
  --out FOLDER   storm: where chaos.json and chaos.svg go: reports/chaos
  --limit N      pairs: how many, instead of all
  --lanes N      pairs: how many systems side by side: ${LANES}`;

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
  },
  run: async (context) => {
    const [word = "storm", ...more] = context.words;
    if (more.length > 0) throw new StackError("one thing at a time; see --help");
    context.terminal.line(`seed ${numberOf(context, "seed")}`);
    if (word === "storm") return await inFolder(context, (dataDir) => storm(context, dataDir));
    if (word === "pairs") return await inFolder(context, (dataDir) => pairs(context, dataDir));
    throw new StackError(`there is no "${word}"; see --help`);
  },
});

function durationOf(context: CommandContext, fallback: number): number {
  return 60_000 * (context.values["minutes"] === undefined ? fallback : numberOf(context, "minutes"));
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
    ...(delaysMs.p99 < leaseMs + 1_000 ? [] : [`the p99 of take-overs is ${delaysMs.p99} ms, allowed are ${leaseMs + 1_000} ms`]),
    ...(acknowledged > 0 ? [] : ["no order was acknowledged"]),
  ];
}

async function write(folder: string, result: StormResult): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { endings: _, failures, ...rest } = result;
  await writeFile(join(folder, "chaos.json"), `${JSON.stringify({ ...rest, failures: Object.fromEntries(failures) }, null, 2)}\n`);
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
