import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Env } from "@tercet/service";
import type { Stack } from "@tercet/stack";
import { buyer } from "./buyer.ts";
import { compare, comparePercentile, median } from "./compare.ts";
import { atRate, type Measured, saturate } from "./load.ts";
import { alone, freeze, startBenchStack } from "./processes.ts";
import type { Results } from "./report.ts";
import { type BenchOptions, turns } from "./rounds.ts";

const BUYERS = 16;
const WARM_UP_MS = 3_000;
const sampled = (ratio: string) => ({
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: ratio,
});
const VARIANTS: Readonly<Record<string, Env | undefined>> = {
  off: undefined,
  // Shows how much two equal systems differ, by their compilation and memory layout.
  "off, once more": undefined,
  "metrics only": { OTEL_TRACES_EXPORTER: "none" },
  "10% traces": sampled("0.1"),
  "100% traces": sampled("1"),
};

type Measurement = Measured & { readonly cpuMs: number };

interface Candidate {
  readonly variant: string;
  readonly pids: readonly number[];
  readonly order: () => Promise<void>;
  readonly saturated: Measurement[];
  readonly half: Measurement[];
}

/**
 * Measures what traces and metrics cost: with a system for each variant, of which one at a time is
 * under load in turn, and the others are frozen.
 */
export async function benchTelemetry(options: BenchOptions): Promise<Results> {
  const durationMs = options.seconds * 1_000;
  await using resources = new AsyncDisposableStack();
  const sink = await startSink();
  resources.defer(() => sink.close());
  const exporting = { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_LOGS_EXPORTER: "none" };
  const candidates: Candidate[] = [];
  for (const [variant, env] of Object.entries(VARIANTS)) {
    options.onProgress(`starting: ${variant}`);
    const stack = resources.use(
      await startBenchStack(options, variant, env && { ...exporting, ...env }),
    );
    const [pids, order] = [servicePids(stack), await buyer(stack)];
    candidates.push({ variant, pids, order, saturated: [], half: [] });
    freeze(pids, resources);
  }
  for (const candidate of turns(candidates, 0, options)) await measure(candidate, WARM_UP_MS);
  for (let round = 1; round <= options.rounds; round++) {
    for (const candidate of turns(candidates, round, options, "saturated"))
      candidate.saturated.push(await measure(candidate, durationMs));
    // The same rate for all: half of the throughput without telemetry.
    const rate = median((candidates[0]?.saturated ?? []).map(throughput)) / 2;
    for (const candidate of turns(candidates, round, options, `${rate.toFixed(0)} orders/s`))
      candidate.half.push(await measure(candidate, durationMs, rate));
  }
  return figures(candidates);
}

const servicePids = ({ services }: Stack): number[] =>
  Object.values(services).flatMap(({ pid }) => pid ?? []);

/** At saturation, unless a rate is given. */
const measure = (
  { pids, order }: Candidate,
  durationMs: number,
  rate?: number,
): Promise<Measurement> =>
  alone(
    pids,
    (settleMs) => saturate(order, BUYERS, settleMs),
    () =>
      rate === undefined ? saturate(order, BUYERS, durationMs) : atRate(order, rate, durationMs),
  );

const took = ({ tookMs }: Measured): readonly number[] => tookMs;
const throughput = ({ tookMs, wallMs }: Measured): number => (tookMs.length / wallMs) * 1_000;

function figures(candidates: readonly Candidate[]): Results {
  const { saturated: fastest = [], half: first = [] } = candidates[0] ?? {};
  const orders = candidates.map(({ variant, saturated, half }) => [
    variant,
    {
      "orders/s, saturated": compare(saturated, fastest, throughput),
      "p50 at half that rate, ms": comparePercentile(half.map(took), first.map(took), 0.5),
      "p95 at half that rate, ms": comparePercentile(half.map(took), first.map(took), 0.95),
      // Of the three services; less noisy than latencies.
      "CPU per order at half that rate, ms": compare(
        half,
        first,
        ({ tookMs, cpuMs }) => cpuMs / tookMs.length,
      ),
    },
  ]);
  return { telemetry: Object.fromEntries(orders) };
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
