import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "@tercet/cli";

/** How long each took, in milliseconds, and how long all of them. */
export interface Measured {
  readonly tookMs: readonly number[];
  readonly wallMs: number;
}

type Work = () => Promise<void>;

/** As many as there can be: each of `inFlight` begins the next one when the last one is done. */
export async function saturate(
  work: Work,
  inFlight: number,
  durationMs: number,
): Promise<Measured> {
  const tookMs: number[] = [];
  const start = performance.now();
  const goOn = async () => {
    while (performance.now() - start < durationMs) tookMs.push(await timed(work));
  };
  await Promise.all(Array.from({ length: inFlight }, goOn));
  return { tookMs, wallMs: performance.now() - start };
}

/**
 * So many a second, however long they take; each is measured from the moment that it was due, so
 * that none is left out for being slow.
 */
export async function atRate(work: Work, perSecond: number, durationMs: number): Promise<Measured> {
  const all: Promise<number>[] = [];
  const start = performance.now();
  for (let due = 0; due < durationMs; due += 1_000 / perSecond) {
    const waitMs = start + due - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    all.push(work().then(() => performance.now() - start - due));
  }
  return { tookMs: await Promise.all(all), wallMs: performance.now() - start };
}

/** What is kept of a measurement. Times in milliseconds. */
export interface Figures {
  readonly count: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

export const figuresOf = ({ tookMs, wallMs }: Measured): Figures => ({
  count: tookMs.length,
  perSecond: (tookMs.length / wallMs) * 1_000,
  p50: quantile(tookMs, 0.5),
  p99: quantile(tookMs, 0.99),
});

async function timed(work: Work): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
