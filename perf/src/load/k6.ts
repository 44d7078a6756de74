import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, cpuMs, ROOT, temporaryFolder } from "@tercet/cli";
import type { Env } from "@tercet/service";
import { execa } from "execa";

export interface K6Options {
  /** Its name without folder and extension. */
  readonly script: string;
  /** The whole environment; the script sees it too. */
  readonly env: Env;
  readonly signal: AbortSignal;
  /** Is called with each line of `--out json`. */
  readonly onLine: (line: string) => void;
}

export interface Threshold {
  readonly metric: string;
  /** "p(95)<500" */
  readonly rule: string;
  readonly passed: boolean;
}

export interface K6Run {
  /** By both of k6's reports, and by at least one threshold. */
  readonly passed: boolean;
  readonly thresholds: readonly Threshold[];
  /** k6's own summary: the values of each metric by name. */
  readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** The number of times that the script logged each warning or error. */
  readonly complaints: Readonly<Record<string, number>>;
  /** Processor time of k6 itself; undefined where it cannot be measured. */
  readonly cpuMs: number | undefined;
}

const CROSSED = 99;
/** No remote control server, and no report to its makers. */
const QUIET = ["--quiet", "--no-color", "--no-usage-report", "--address=", "--log-format=json"];
const SAMPLE_CPU_EVERY_MS = 500;
const NOT_FOUND = "k6 is not on the PATH; build it with `pnpm tools k6` (needs Go)";

/** Resolves to k6's version. Throws CommandError when it is not installed. */
export async function requireK6(env: Env): Promise<string> {
  const { code, stdout } = await execa("k6", ["version"], { env, extendEnv: false, reject: false });
  if (code === "ENOENT") throw new CommandError(NOT_FOUND);
  return stdout;
}

/**
 * Runs a script to its end. Throws CommandError when k6 fails, and the signal's reason when it
 * aborts.
 */
export async function runK6({ script, env, signal, onLine }: K6Options): Promise<K6Run> {
  await using folder = await temporaryFolder("k6");
  const summary = join(folder.path, "summary.json");
  const path = join(ROOT, "perf/k6", `${script}.js`);
  const args = ["run", ...QUIET, "--out", "json=-", "--summary-export", summary, path];
  const k6 = execa("k6", args, {
    env,
    extendEnv: false,
    // A process group of its own: Ctrl-C in a terminal reaches k6 once, by the signal.
    detached: true,
    cancelSignal: signal,
    killSignal: "SIGINT",
    forceKillAfterDelay: false,
    stdin: "ignore",
    buffer: false,
    reject: false,
  });
  const complaints = new Map<string, number>();
  const readOutput = async () => {
    for await (const line of k6) if (line.startsWith("{")) onLine(line);
  };
  const readLog = async () => {
    for await (const line of k6.iterable({ from: "stderr" })) {
      const message = messageOf(line);
      if (message !== undefined) complaints.set(message, (complaints.get(message) ?? 0) + 1);
    }
  };
  // A process that has ended has no processor time.
  let lastCpuMs: number | undefined;
  using _ = setInterval(() => {
    const now = cpuMs([k6.pid ?? 0]);
    if (!Number.isNaN(now)) lastCpuMs = now;
  }, SAMPLE_CPU_EVERY_MS);
  const [{ code, exitCode }] = await Promise.all([k6, readOutput(), readLog()]);
  signal.throwIfAborted();
  if (code === "ENOENT") throw new CommandError(NOT_FOUND);
  if (exitCode !== 0 && exitCode !== CROSSED)
    throw new CommandError(
      `k6 failed with exit code ${exitCode}:\n${[...complaints.keys()].join("\n")}`,
    );
  const { metrics } = JSON.parse(await readFile(summary, "utf8")) as Summary;
  const thresholds = Object.keys(metrics)
    .sort()
    .flatMap((metric) =>
      Object.entries(metrics[metric]?.thresholds ?? {}).map(([rule, crossed]) => ({
        metric,
        rule,
        passed: !crossed,
      })),
    );
  return {
    passed: exitCode === 0 && thresholds.length > 0 && thresholds.every(({ passed }) => passed),
    thresholds,
    metrics: Object.fromEntries(
      Object.entries(metrics).map(([name, { thresholds: _, ...values }]) => [name, values]),
    ),
    complaints: Object.fromEntries(complaints),
    cpuMs: lastCpuMs,
  };
}

/** Of each metric its values, and whether each of its thresholds was crossed. */
interface Summary {
  readonly metrics: Readonly<
    Record<string, Record<string, number> & { readonly thresholds?: Record<string, boolean> }>
  >;
}

/** Returns the message of a warning or error, except about thresholds, which the list reports. */
function messageOf(line: string): string | undefined {
  if (!line.startsWith("{")) return line;
  const { level, msg } = JSON.parse(line) as { level: string; msg: string };
  return level === "info" || msg.startsWith("thresholds on metrics") ? undefined : msg.trim();
}
