import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { ANY_PORT, createApi, envToConfig, quantile, type Stack, startStack } from "@tercet/stack";
import { atRate, type Measured, saturate } from "./load.ts";

export interface TelemetryOptions {
  readonly dataDir: string;
  readonly rounds: number;
  /** Of each measurement. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

export interface TelemetryFigures {
  readonly variant: string;
  /** At saturation. */
  readonly ordersPerSecond: Compared;
  /** At half of what goes without telemetry; milliseconds. */
  readonly p50: Compared;
  readonly p95: Compared;
}

/** A figure, its ratio to that without telemetry in the same round, and between which ratios half of the rounds lie. */
export interface Compared {
  readonly value: number;
  readonly ratio: number;
  readonly from: number;
  readonly to: number;
}

const BUYERS = 16;
const WARM_UP_MS = 3_000;
/** Under load after standing still, before it is measured. */
const SETTLE_MS = 500;
const PLENTY = 1_000_000_000n;
const sampled = (ratio: string) => ({ OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: ratio });
const VARIANTS: Readonly<Record<string, Readonly<Record<string, string>> | undefined>> = {
  off: undefined,
  "metrics only": { OTEL_TRACES_EXPORTER: "none" },
  "10% traces": sampled("0.1"),
  "100% traces": sampled("1"),
};

interface Candidate {
  readonly variant: string;
  readonly stack: Stack;
  readonly order: () => Promise<void>;
  readonly saturated: Measured[];
  readonly half: Measured[];
}

/** What traces and metrics cost: a system for each variant, of which one at a time runs and is under load, again and again in turn; the others stand still. */
export async function benchTelemetry(options: TelemetryOptions): Promise<TelemetryFigures[]> {
  await using resources = new AsyncDisposableStack();
  const sink = await startSink();
  resources.defer(() => sink.close());
  const candidates: Candidate[] = [];
  for (const [variant, env] of Object.entries(VARIANTS)) {
    options.onProgress(`starting: ${variant}`);
    const dataDir = join(options.dataDir, variant.replaceAll(/\W+/g, "-"));
    const exporting = env && { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_LOGS_EXPORTER: "none", ...env };
    const stack = resources.use(
      await startStack(envToConfig({ ...ANY_PORT, DATA_DIR: dataDir, LOG_LEVEL: "warn", ...exporting }), options),
    );
    candidates.push({ variant, stack, order: await buyer(stack), saturated: [], half: [] });
    signalServices(stack, "SIGSTOP");
  }
  // What stands still does not drain.
  resources.defer(() => candidates.forEach(({ stack }) => void signalServices(stack, "SIGCONT")));
  for (const candidate of candidates) {
    options.onProgress(`warming up: ${candidate.variant}`);
    await alone(candidate, () => saturate(candidate.order, BUYERS, WARM_UP_MS));
  }
  await measure(candidates, options);
  return figures(candidates);
}

/** Runs one system for as long as it is measured: timers and exports of the others would be in its tail. */
async function alone(candidate: Candidate, measurement: () => Promise<Measured>): Promise<Measured> {
  signalServices(candidate.stack, "SIGCONT");
  try {
    await saturate(candidate.order, BUYERS, SETTLE_MS);
    return await measurement();
  } finally {
    signalServices(candidate.stack, "SIGSTOP");
  }
}

function signalServices({ services }: Stack, signal: "SIGSTOP" | "SIGCONT"): void {
  for (const { pid } of Object.values(services)) if (pid !== undefined) process.kill(pid, signal);
}

async function measure(candidates: readonly Candidate[], { rounds, seconds, signal, onProgress }: TelemetryOptions): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    for (const candidate of inTurn(candidates, round)) {
      signal.throwIfAborted();
      onProgress(`round ${round} of ${rounds}, saturated: ${candidate.variant}`);
      candidate.saturated.push(await alone(candidate, () => saturate(candidate.order, BUYERS, seconds * 1_000)));
    }
    // The same rate for all: half of what goes without telemetry.
    const rate = median((candidates[0]?.saturated ?? []).map(throughput)) / 2;
    for (const candidate of inTurn(candidates, round)) {
      signal.throwIfAborted();
      onProgress(`round ${round} of ${rounds}, ${rate.toFixed(0)} orders/s: ${candidate.variant}`);
      candidate.half.push(await alone(candidate, () => atRate(candidate.order, rate, seconds * 1_000)));
    }
  }
}

/** Each round begins with another one, so that none always comes after the same. */
const inTurn = <T>(items: readonly T[], round: number): T[] => items.map((_, index) => items[(index + round) % items.length] as T);

const throughput = ({ tookMs, wallMs }: Measured): number => (tookMs.length / wallMs) * 1_000;
const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Each beside the first variant: medians over the rounds, of the figures and of the ratios within a round, which a machine that slows down leaves alone. */
function figures(candidates: readonly Candidate[]): TelemetryFigures[] {
  const [first] = candidates;
  return candidates.map(({ variant, saturated, half }) => ({
    variant,
    ordersPerSecond: beside(saturated, first?.saturated, throughput),
    p50: beside(half, first?.half, ({ tookMs }) => median(tookMs)),
    p95: beside(half, first?.half, ({ tookMs }) => quantile(tookMs, 0.95)),
  }));
}

function beside(rounds: readonly Measured[], base: readonly Measured[] = [], figure: (measured: Measured) => number): Compared {
  const ratios = rounds.map((measured, round) => figure(measured) / figure(base[round] as Measured));
  return { value: median(rounds.map(figure)), ratio: median(ratios), from: quantile(ratios, 0.25), to: quantile(ratios, 0.75) };
}

/** Takes everything and keeps nothing. */
async function startSink(): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
}

/** Plain JSON at the Order service's own port: a light client, on the same machine. */
async function buyer(stack: Stack): Promise<() => Promise<void>> {
  const { identity } = createApi(stack.urls.edge);
  const { accessToken: operator } = await identity.login(stack.users.olivia);
  const product = { sku: "BENCH", name: "Plenty", price: { currencyCode: "EUR", minorUnits: 1_999n }, stock: PLENTY };
  await createApi(stack.urls.edge, operator).catalog.putProduct({ product, requestId: crypto.randomUUID() });
  let token = (await identity.login(stack.users.alice)).accessToken;
  const place = () =>
    fetch(`${stack.urls.order}/order.v1.OrderService/CreateOrder`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({
        requestId: crypto.randomUUID(),
        items: [{ sku: "BENCH", quantity: 1 }],
        paymentMethod: { token: "tok_visa" },
      }),
    });
  return async () => {
    let response = await place();
    if (response.status === 401) {
      token = (await identity.login(stack.users.alice)).accessToken;
      response = await place();
    }
    const text = await response.text();
    if (!text.includes("ORDER_STATUS_CONFIRMED")) throw new Error(`an order was not confirmed: ${text.slice(0, 200)}`);
  };
}
