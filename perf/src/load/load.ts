import { availableParallelism } from "node:os";
import type { Env } from "@tercet/service";
import { type K6Run, runK6 } from "./k6.ts";
import { type ScenarioName, scenarios } from "./scenarios.ts";
import { type LoadProgress, Series, type Timeline } from "./series.ts";
import type { Target } from "./target.ts";

export interface LoadOptions {
  readonly scenario: ScenarioName;
  readonly target: Target;
  /** By default the scenario's own length. */
  readonly minutes?: number;
  /** False on a busy machine: latencies are reported, and fail nothing. Default: true. */
  readonly judgeLatency?: boolean;
  /** For PATH, on which k6 is. */
  readonly env: Env;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: LoadProgress) => void;
}

export interface LoadResult extends Omit<K6Run, "cpuMs"> {
  readonly scenario: ScenarioName;
  readonly minutes: number;
  readonly startTime: string;
  readonly timeline: Timeline;
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
  using _ = setInterval(() => {
    const recent = series.recent(RECENT_S);
    if (recent !== undefined) onProgress(recent);
  }, SHOW_EVERY_MS);
  const { cpuMs, ...run } = await runK6({
    script: scenario,
    env: {
      ...env,
      ...target,
      MINUTES: String(minutes),
      LATENCY: judgeLatency ? "judged" : "reported",
    },
    signal,
    onLine: (line) => series.addLine(line),
  });
  return {
    scenario,
    minutes,
    startTime,
    ...run,
    timeline: series.timeline(),
    clientCpuShare: cpuMs && cpuMs / (performance.now() - began) / availableParallelism(),
  };
}
