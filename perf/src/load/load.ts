import { availableParallelism } from "node:os";
import type { Env } from "@tercet/service";
import { type K6Metric, runK6 } from "./k6.ts";
import { type ScenarioName, scenarios } from "./scenarios.ts";
import { Series, type Timeline } from "./series.ts";
import type { Target } from "./target.ts";

export interface LoadOptions {
  readonly scenario: ScenarioName;
  readonly target: Target;
  /** Instead of the scenario's own length. */
  readonly minutes?: number;
  /**
   * False on a machine that is busy with other things: latencies are reported, and fail nothing.
   */
  readonly judgeLatency?: boolean;
  /** For PATH, on which k6 is. */
  readonly env: Env;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: LoadProgress) => void;
}

export interface LoadProgress {
  readonly elapsedMs: number;
  readonly users: number | undefined;
  /** Of the last ten seconds. */
  readonly perSecond: number;
  readonly p95: number | undefined;
  readonly failed: number;
}

export interface Threshold {
  readonly metric: string;
  /** "p(95)<500" */
  readonly rule: string;
  readonly passed: boolean;
}

export interface LoadResult {
  readonly scenario: ScenarioName;
  readonly minutes: number;
  readonly startTime: string;
  readonly passed: boolean;
  readonly thresholds: readonly Threshold[];
  /** k6's own summary, by metric. */
  readonly metrics: Readonly<Record<string, Omit<K6Metric, "thresholds">>>;
  readonly timeline: Timeline;
  /** The number of times that each unexpected outcome occurred. */
  readonly complaints: Readonly<Record<string, number>>;
  /** k6's own share of all processors, from 0 to 1; undefined where it cannot be measured. */
  readonly clientCpuShare: number | undefined;
}

const SHOW_EVERY_MS = 1_000;
const RECENT_S = 10;

/** Runs one scenario to its end. Throws StackError when k6 cannot run it. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { scenario, target, judgeLatency = true, env, signal, onProgress = () => {} } = options;
  const { duration, minutes: own } = scenarios[scenario];
  const { minutes = own } = options;
  const series = new Series(duration);
  const [startTime, began] = [new Date().toISOString(), performance.now()];
  const timer = setInterval(() => {
    const recent = series.recent(RECENT_S);
    if (recent !== undefined) onProgress({ ...recent, elapsedMs: recent.atMs });
  }, SHOW_EVERY_MS);
  const run = await runK6({
    script: scenario,
    env: {
      ...env,
      ...target,
      MINUTES: String(minutes),
      LATENCY: judgeLatency ? "judged" : "reported",
    },
    signal,
    onLine: (line) => series.addLine(line),
  }).finally(() => clearInterval(timer));
  const thresholds = thresholdsOf(run.metrics);
  return {
    scenario,
    minutes,
    startTime,
    // Both of k6's answers, and at least one question.
    passed:
      !run.thresholdsCrossed && thresholds.length > 0 && thresholds.every(({ passed }) => passed),
    thresholds,
    metrics: Object.fromEntries(
      Object.entries(run.metrics).map(([name, { thresholds: _, ...values }]) => [name, values]),
    ),
    timeline: series.timeline(),
    complaints: Object.fromEntries(run.complaints),
    clientCpuShare: run.cpuMs && run.cpuMs / (performance.now() - began) / availableParallelism(),
  };
}

function thresholdsOf(metrics: Readonly<Record<string, K6Metric>>): Threshold[] {
  const names = Object.keys(metrics).sort();
  return names.flatMap((metric) =>
    Object.entries(metrics[metric]?.thresholds ?? {}).map(([rule, crossed]) => ({
      metric,
      rule,
      passed: !crossed,
    })),
  );
}
