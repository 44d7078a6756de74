import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CommandError, cpuMs, ROOT, temporaryFolder } from "@tercet/cli";
import type { Env } from "@tercet/service";

export interface K6Options {
  /** Without folder and ending. */
  readonly script: string;
  /** The whole environment; the script sees it too. */
  readonly env: Env;
  readonly signal: AbortSignal;
  /** Each line of `--out json`. */
  readonly onLine: (line: string) => void;
}

/** k6's summary of one metric: its values by name, and whether each threshold on it was crossed. */
export type K6Metric = Readonly<Record<string, number>> & {
  readonly thresholds?: Readonly<Record<string, boolean>>;
};

export interface K6Run {
  readonly metrics: Readonly<Record<string, K6Metric>>;
  readonly thresholdsCrossed: boolean;
  /** What the script complained of, and how often. */
  readonly complaints: ReadonlyMap<string, number>;
  /** What k6 itself took of the processors; undefined where that cannot be told. */
  readonly cpuMs: number | undefined;
}

const CROSSED = 99;
/** Without its own server for remote control, and without a report to its makers. */
const QUIET = [
  "--quiet",
  "--no-color",
  "--no-usage-report",
  "--address",
  "",
  "--log-format",
  "json",
];
const LOOK_AT_CPU_EVERY_MS = 500;

/** k6's version. Throws CommandError when it is not there. */
export async function requireK6(env: Env): Promise<string> {
  const child = spawn("k6", ["version"], { env, stdio: ["ignore", "pipe", "ignore"] });
  const said: string[] = [];
  child.stdout.on("data", (chunk) => void said.push(String(chunk)));
  await ended(child);
  return said.join("").trim();
}

/**
 * Runs a script to its end. Throws CommandError when k6 could not do that, and the signal's reason
 * when it aborts.
 */
export async function runK6({ script, env, signal, onLine }: K6Options): Promise<K6Run> {
  await using folder = await temporaryFolder("k6");
  const summary = join(folder.path, "summary.json");
  const args = [
    "run",
    ...QUIET,
    "--out",
    "json=-",
    "--summary-export",
    summary,
    join(ROOT, "perf/k6", `${script}.js`),
  ];
  // A process group of its own: Ctrl-C in a terminal reaches this process alone, which passes it
  // on, once.
  const child = spawn("k6", args, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const interrupt = () => void child.kill("SIGINT");
  signal.addEventListener("abort", interrupt, { once: true });
  createInterface({ input: child.stdout }).on(
    "line",
    (line) => line.startsWith("{") && onLine(line),
  );
  const complaints = listen(child);
  using cpu = watchCpu(child);
  const code = await ended(child).finally(() => signal.removeEventListener("abort", interrupt));
  signal.throwIfAborted();
  if (code !== 0 && code !== CROSSED)
    throw new CommandError(`k6 gave up (exit code ${code}):\n${[...complaints.keys()].join("\n")}`);
  const { metrics } = JSON.parse(await readFile(summary, "utf8")) as Pick<K6Run, "metrics">;
  return { metrics, thresholdsCrossed: code === CROSSED, complaints, cpuMs: cpu.lastMs };
}

async function ended(child: ChildProcess): Promise<number | null> {
  try {
    return await new Promise((resolve, reject) =>
      child.once("error", reject).once("close", resolve),
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new CommandError(
      "k6 is not on the PATH: `pnpm tools k6` builds it (with Go), and pnpm load finds it then",
    );
  }
}

function listen(child: ChildProcess): ReadonlyMap<string, number> {
  const complaints = new Map<string, number>();
  if (child.stderr !== null)
    createInterface({ input: child.stderr }).on("line", (line) => {
      const message = messageOf(line);
      if (message !== undefined) complaints.set(message, (complaints.get(message) ?? 0) + 1);
    });
  return complaints;
}

/** Of a line of k6's log: warnings and errors, but not what the list of thresholds says better. */
function messageOf(line: string): string | undefined {
  if (!line.startsWith("{")) return line;
  const { level, msg } = JSON.parse(line) as { level: string; msg: string };
  return level === "info" || msg.startsWith("thresholds on metrics") ? undefined : msg.trim();
}

/** Answers what it has seen last: a process that has ended has no figures. */
function watchCpu({ pid }: ChildProcess): Disposable & { readonly lastMs: number | undefined } {
  let lastMs: number | undefined;
  const timer = setInterval(() => {
    const now = pid === undefined ? Number.NaN : cpuMs([pid]);
    if (!Number.isNaN(now)) lastMs = now;
  }, LOOK_AT_CPU_EVERY_MS);
  return {
    get lastMs() {
      return lastMs;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
