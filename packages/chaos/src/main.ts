import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandContext, ROOT, runCommand, StackError } from "@tercet/stack";
import { runStorm, type StormResult } from "./storm.ts";
import { stormChart, stormProgress, stormTable } from "./storm-report.ts";
import { percentile } from "./takeover-delays.ts";

const MINUTES = "1";
const BUYERS = "24";

const help = `Usage: pnpm chaos [--minutes N] [--seed N] [--buyers N] [--out FOLDER]

Starts the whole system, with two processes of Order and Payment each, in a folder of its own; places orders all the time; and meanwhile
kills a process every 2 to 5 s, restarts PostgreSQL every 5 to 10 s as by a crash, freezes orchestrators for longer than their lease, ends
database sessions, resets, slows and cuts the network between Order and Payment. The invariants are looked at all the while. At the end every
order must have ended within 30 s, and the databases are compared with the provider's book.

Prints a table, and writes it with a chart of the throughput to the folder. The exit code is 1 when anything was breached.

Options:
  --minutes N    how long faults go on: ${MINUTES}
  --seed N       which misfortunes, as far as time allows; random by default, and printed
  --buyers N     how many buy at once: ${BUYERS}
  --out FOLDER   where chaos.json and chaos.svg go: reports/chaos`;

await runCommand({
  help,
  options: {
    minutes: { type: "string", default: MINUTES },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
    buyers: { type: "string", default: BUYERS },
    out: { type: "string", default: join(ROOT, "reports", "chaos") },
  },
  run: async (context) => {
    const { terminal, signal } = context;
    const [minutes, seed, buyers] = [numberOf(context, "minutes"), numberOf(context, "seed"), numberOf(context, "buyers")];
    const dataDir = await mkdtemp(join(tmpdir(), "tercet-chaos-"));
    // As root the database runs as another user, who must be able to enter.
    await chmod(dataDir, 0o755);
    terminal.line(`seed ${seed}; data and logs in ${dataDir}`);
    const result = await runStorm({ dataDir, durationMs: minutes * 60_000, seed, buyers, signal, onProgress: stormProgress(terminal) });
    const breaches = [...result.breaches, ...missed(result)];
    for (const line of stormTable(result)) terminal.line(line);
    for (const breach of breaches) terminal.line(`${terminal.styled("red", "✗")} ${breach}`);
    await write(String(context.values["out"]), result);
    terminal.line(`${context.values["out"]}: chaos.svg, chaos.json`);
    if (breaches.length > 0) return 1;
    await rm(dataDir, { recursive: true, force: true });
    return 0;
  },
});

/** What is not of one order: how long take-overs took, and whether there was anything to see. */
function missed({ takeOvers: { delaysMs }, leaseMs, acknowledged }: StormResult): string[] {
  const p99 = percentile(delaysMs, 0.99) ?? 0;
  return [
    ...(p99 < leaseMs + 1_000 ? [] : [`the p99 of take-overs is ${Math.round(p99)} ms, allowed are ${leaseMs + 1_000} ms`]),
    ...(acknowledged > 0 ? [] : ["no order was acknowledged"]),
  ];
}

async function write(folder: string, result: StormResult): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { endings: _, failures, ...rest } = result;
  await writeFile(join(folder, "chaos.json"), `${JSON.stringify({ ...rest, failures: Object.fromEntries(failures) }, null, 2)}\n`);
  await writeFile(join(folder, "chaos.svg"), stormChart(result));
}

function numberOf({ values }: CommandContext, name: string): number {
  const number = Number(values[name]);
  if (!(number > 0)) throw new StackError(`--${name} is a number, more than 0; see --help`);
  return number;
}
