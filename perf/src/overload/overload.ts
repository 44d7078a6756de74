import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "@tercet/cli";
import type { Stack } from "@tercet/stack";
import { customers, type Ending } from "./customers.ts";

/** What one rate of orders came to. Times are in milliseconds, from when each order was due. */
export interface Step {
  /** "10x": ten times what saturates. */
  readonly name: string;
  readonly offeredPerSecond: number;
  /** Orders that were confirmed within their deadline. */
  readonly goodputPerSecond: number;
  readonly acceptedP50: number;
  readonly acceptedP99: number;
  readonly refused: number;
  /** From the moment that the request was sent. */
  readonly refusedP99: number;
  /** Neither confirmed nor refused. */
  readonly other: number;
  readonly probes: number;
  readonly probesLost: number;
}

/** How soon orders are confirmed as before when Payment is back. */
export interface Outage {
  readonly downMs: number;
  /** From Payment's return until 95% of the goodput before is reached; undefined: never. */
  readonly recoveredMs: number | undefined;
}

export interface OverloadOptions {
  /** Of each rate. */
  readonly seconds: number;
  readonly factors: readonly number[];
  /** 0: Payment is not stopped. */
  readonly outageSeconds: number;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Overload {
  readonly steps: readonly Step[];
  readonly outage: Outage | undefined;
}

/** Orders in flight that saturate one Order process. */
const SATURATING = 32;
const UNLOADED_SHARE = 0.1;
const BACK_OFF_MS = 100;
const PROBE_EVERY_MS = 100;
const PROBE_TIMEOUT_MS = 1_000;
const RECOVERED = 0.95;

/** Finds what saturates the system, then offers it multiples of that. */
export async function measureOverload(stack: Stack, options: OverloadOptions): Promise<Overload> {
  const { seconds, factors, onProgress, signal } = options;
  const place = await customers(stack);
  const durationMs = seconds * 1_000;
  onProgress("warming up");
  await saturate(place, durationMs, signal);
  onProgress("looking for what saturates");
  const peak = await saturate(place, durationMs, signal);
  const steps: Step[] = [];
  for (const [name, rate] of [
    ["unloaded", peak * UNLOADED_SHARE],
    ...factors.map((factor) => [`${factor}x`, peak * factor] as const),
  ] as const) {
    onProgress(`${name}: ${Math.round(rate)} orders/s`);
    steps.push(await offer(stack, place, { name, rate, durationMs, signal }));
    await sleep(1_000, undefined, { signal });
  }
  const outage =
    options.outageSeconds === 0 ? undefined : await stopPayment(stack, place, peak, options);
  return { steps, outage };
}

/** Places orders as often as possible; resolves to the confirmed ones per second. */
async function saturate(
  place: () => Promise<Ending>,
  durationMs: number,
  signal: AbortSignal,
): Promise<number> {
  let confirmed = 0;
  const start = performance.now();
  const repeat = async () => {
    while (performance.now() - start < durationMs && !signal.aborted) {
      const ending = await place();
      if (ending === "confirmed") confirmed += 1;
      // As a client does that is asked to come back later.
      else await sleep(BACK_OFF_MS, undefined, { signal });
    }
  };
  await Promise.all(Array.from({ length: SATURATING }, repeat));
  return (confirmed / (performance.now() - start)) * 1_000;
}

interface Offered {
  readonly name: string;
  readonly rate: number;
  readonly durationMs: number;
  readonly signal: AbortSignal;
}

async function offer(
  stack: Stack,
  place: () => Promise<Ending>,
  { name, rate, durationMs, signal }: Offered,
): Promise<Step> {
  const accepted: number[] = [];
  const refused: number[] = [];
  let other = 0;
  const stopping = new AbortController();
  const probing = probe(stack.urls.order, stopping.signal);
  await atRate(rate, durationMs, signal, async (dueAt) => {
    const sentAt = performance.now();
    const ending = await place();
    if (ending === "confirmed") accepted.push(performance.now() - dueAt);
    else if (ending === "refused") refused.push(performance.now() - sentAt);
    else other += 1;
  });
  stopping.abort();
  const { probes, lost } = await probing;
  return {
    name,
    offeredPerSecond: rate,
    goodputPerSecond: (accepted.length / durationMs) * 1_000,
    acceptedP50: quantile(accepted, 0.5),
    acceptedP99: quantile(accepted, 0.99),
    refused: refused.length,
    refusedP99: refused.length === 0 ? 0 : quantile(refused, 0.99),
    other,
    probes,
    probesLost: lost,
  };
}

/** Starts work at a constant rate, however long it takes; waits for all of it. */
async function atRate(
  perSecond: number,
  durationMs: number,
  signal: AbortSignal,
  work: (dueAt: number) => Promise<void>,
): Promise<void> {
  const all: Promise<void>[] = [];
  const start = performance.now();
  for (let due = 0; due < durationMs && !signal.aborted; due += 1_000 / perSecond) {
    const waitMs = start + due - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    all.push(work(start + due));
  }
  await Promise.all(all);
}

/** Asks for the service's health until the signal aborts, as a kubelet does. */
async function probe(url: string, signal: AbortSignal) {
  let [probes, lost] = [0, 0];
  while (!signal.aborted) {
    probes += 1;
    const timeout = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    const up = await fetch(`${url}/health/ready`, { signal: timeout }).then(
      async (response) => (await response.text()) !== "" && response.ok,
      () => false,
    );
    if (!up) lost += 1;
    await sleep(PROBE_EVERY_MS);
  }
  return { probes, lost };
}

/** Stops Payment under full load, and measures how soon the goodput is back. */
async function stopPayment(
  stack: Stack,
  place: () => Promise<Ending>,
  peak: number,
  { outageSeconds, onProgress, signal }: OverloadOptions,
): Promise<Outage> {
  onProgress(`Payment is stopped for ${outageSeconds} s`);
  const confirmedAt: number[] = [];
  const stopping = new AbortController();
  const load = atRate(peak, Number.POSITIVE_INFINITY, stopping.signal, async () => {
    if ((await place()) === "confirmed") confirmedAt.push(performance.now());
  });
  await sleep(3_000, undefined, { signal });
  const before = confirmedAt.length / 3;
  await stack.services.payment.stop();
  await sleep(outageSeconds * 1_000, undefined, { signal });
  await stack.services.payment.start();
  const back = performance.now();
  let recoveredMs: number | undefined;
  while (recoveredMs === undefined && performance.now() - back < 60_000) {
    await sleep(250, undefined, { signal });
    const lastSecond = confirmedAt.filter((at) => at > performance.now() - 1_000).length;
    if (lastSecond >= before * RECOVERED) recoveredMs = performance.now() - back;
  }
  stopping.abort();
  await load;
  return { downMs: outageSeconds * 1_000, recoveredMs };
}
