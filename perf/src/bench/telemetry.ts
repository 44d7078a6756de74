import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { cpuMs } from "@tercet/cli";
import { ANY_PORT, envToConfig, type Stack, startStack } from "@tercet/stack";
import { buyer } from "./buyer.ts";
import type { BenchOptions } from "./calls.ts";
import { type Compared, compare, comparePercentile, inTurn, median } from "./compare.ts";
import { atRate, type Measured, saturate } from "./load.ts";
import { alone, servicePids, signalAll } from "./processes.ts";

export interface TelemetryFigures {
  readonly variant: string;
  /** At saturation. */
  readonly ordersPerSecond: Compared;
  /** At half of the throughput without telemetry, in milliseconds. */
  readonly p50: Compared;
  readonly p95: Compared;
  /** Processor milliseconds of the three services at that rate, which are less noisy. */
  readonly cpuPerOrder: Compared;
}

const BUYERS = 16;
const WARM_UP_MS = 3_000;
const sampled = (ratio: string) => ({
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: ratio,
});
const VARIANTS: Readonly<Record<string, Readonly<Record<string, string>> | undefined>> = {
  off: undefined,
  // Shows how much two equal systems differ, by their compilation and memory layout.
  "off, once more": undefined,
  "metrics only": { OTEL_TRACES_EXPORTER: "none" },
  "10% traces": sampled("0.1"),
  "100% traces": sampled("1"),
};

interface Candidate {
  readonly variant: string;
  readonly stack: Stack;
  readonly order: () => Promise<void>;
  readonly saturated: Measured[];
  readonly half: (Measured & { readonly cpuMs: number })[];
}

/**
 * Measures what traces and metrics cost: with a system for each variant, of which one at a time is
 * under load in turn, and the others are frozen.
 */
export async function benchTelemetry(
  options: BenchOptions & { readonly dataDir: string },
): Promise<TelemetryFigures[]> {
  await using resources = new AsyncDisposableStack();
  const sink = await startSink();
  resources.defer(() => sink.close());
  const candidates: Candidate[] = [];
  for (const [variant, env] of Object.entries(VARIANTS)) {
    options.onProgress(`starting: ${variant}`);
    const dataDir = join(options.dataDir, variant.replaceAll(/\W+/g, "-"));
    const exporting = env && {
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
      OTEL_LOGS_EXPORTER: "none",
      ...env,
    };
    const stack = resources.use(
      await startStack(
        envToConfig({ ...ANY_PORT, DATA_DIR: dataDir, LOG_LEVEL: "warn", ...exporting }),
        options,
      ),
    );
    candidates.push({ variant, stack, order: await buyer(stack), saturated: [], half: [] });
    signalAll(servicePids(stack), "SIGSTOP");
  }
  // A frozen process cannot drain.
  resources.defer(() =>
    candidates.forEach(({ stack }) => void signalAll(servicePids(stack), "SIGCONT")),
  );
  for (const candidate of candidates) {
    options.onProgress(`warming up: ${candidate.variant}`);
    await measureAlone(candidate, () => saturate(candidate.order, BUYERS, WARM_UP_MS));
  }
  await measure(candidates, options);
  return figures(candidates);
}

async function measureAlone({ stack, order }: Candidate, measurement: () => Promise<Measured>) {
  const pids = servicePids(stack);
  return await alone(
    pids,
    (durationMs) => saturate(order, BUYERS, durationMs),
    async () => {
      const before = cpuMs(pids);
      const measured = await measurement();
      return { ...measured, cpuMs: cpuMs(pids) - before };
    },
  );
}

async function measure(
  candidates: readonly Candidate[],
  { rounds, seconds, signal, onProgress }: BenchOptions & { readonly dataDir: string },
): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    for (const candidate of inTurn(candidates, round)) {
      signal.throwIfAborted();
      onProgress(`round ${round} of ${rounds}, saturated: ${candidate.variant}`);
      candidate.saturated.push(
        await measureAlone(candidate, () => saturate(candidate.order, BUYERS, seconds * 1_000)),
      );
    }
    // The same rate for all: half of the throughput without telemetry.
    const rate = median((candidates[0]?.saturated ?? []).map(throughput)) / 2;
    for (const candidate of inTurn(candidates, round)) {
      signal.throwIfAborted();
      onProgress(`round ${round} of ${rounds}, ${rate.toFixed(0)} orders/s: ${candidate.variant}`);
      candidate.half.push(
        await measureAlone(candidate, () => atRate(candidate.order, rate, seconds * 1_000)),
      );
    }
  }
}

const took = ({ tookMs }: Measured): readonly number[] => tookMs;
const throughput = ({ tookMs, wallMs }: Measured): number => (tookMs.length / wallMs) * 1_000;

function figures(candidates: readonly Candidate[]): TelemetryFigures[] {
  const { saturated: fastest = [], half: first = [] } = candidates[0] ?? {};
  return candidates.map(({ variant, saturated, half }) => ({
    variant,
    ordersPerSecond: compare(saturated, fastest, throughput),
    p50: comparePercentile(half.map(took), first.map(took), 0.5),
    p95: comparePercentile(half.map(took), first.map(took), 0.95),
    cpuPerOrder: compare(half, first, ({ tookMs, cpuMs: used }) => used / tookMs.length),
  }));
}

/** Starts an OTLP receiver that discards everything. */
async function startSink(): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => void server.close(),
  };
}
