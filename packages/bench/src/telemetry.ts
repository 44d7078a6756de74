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
  readonly ordersPerSecond: number;
  /** At half of what goes without telemetry; milliseconds. */
  readonly p50: number;
  readonly p95: number;
}

const BUYERS = 16;
const WARM_UP_MS = 3_000;
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
  readonly order: () => Promise<void>;
  readonly saturated: Measured[];
  readonly half: Measured[];
}

/** What traces and metrics cost: a system for each variant, all running, of which one at a time is under load, again and again in turn. */
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
    candidates.push({ variant, order: await buyer(stack), saturated: [], half: [] });
  }
  for (const { variant, order } of candidates) {
    options.onProgress(`warming up: ${variant}`);
    await saturate(order, BUYERS, WARM_UP_MS);
  }
  await measure(candidates, options);
  return candidates.map(figuresOf);
}

async function measure(candidates: readonly Candidate[], { rounds, seconds, signal, onProgress }: TelemetryOptions): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    for (const { variant, order, saturated } of inTurn(candidates, round)) {
      signal.throwIfAborted();
      onProgress(`round ${round} of ${rounds}, saturated: ${variant}`);
      saturated.push(await saturate(order, BUYERS, seconds * 1_000));
    }
    // The same rate for all: half of what goes without telemetry.
    const rate = median((candidates[0]?.saturated ?? []).map(throughput)) / 2;
    for (const { variant, order, half } of inTurn(candidates, round)) {
      signal.throwIfAborted();
      onProgress(`round ${round} of ${rounds}, ${rate.toFixed(0)} orders/s: ${variant}`);
      half.push(await atRate(order, rate, seconds * 1_000));
    }
  }
}

/** Each round begins with another one, so that none always comes after the same. */
const inTurn = <T>(items: readonly T[], round: number): T[] => items.map((_, index) => items[(index + round) % items.length] as T);

const throughput = ({ tookMs, wallMs }: Measured): number => (tookMs.length / wallMs) * 1_000;
const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Medians over the rounds. */
const figuresOf = ({ variant, saturated, half }: Candidate): TelemetryFigures => ({
  variant,
  ordersPerSecond: median(saturated.map(throughput)),
  p50: median(half.map(({ tookMs }) => median(tookMs))),
  p95: median(half.map(({ tookMs }) => quantile(tookMs, 0.95))),
});

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
