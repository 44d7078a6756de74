import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "@tercet/cli";

/** Milliseconds of each call, and of all together. */
export interface Measured {
  readonly tookMs: readonly number[];
  readonly wallMs: number;
}

type Work = () => Promise<void>;
/** @param dueAt as `performance.now` tells the time */
type DueWork = (dueAt: number) => Promise<void>;

/** Runs work as often as possible, with `inFlight` at a time. */
export async function saturate(
  work: Work,
  inFlight: number,
  durationMs: number,
): Promise<Measured> {
  const tookMs: number[] = [];
  const start = performance.now();
  const repeat = async () => {
    while (performance.now() - start < durationMs) tookMs.push(await timed(work));
  };
  await Promise.all(Array.from({ length: inFlight }, repeat));
  return { tookMs, wallMs: performance.now() - start };
}

/** Runs work `count` times, with `inFlight` at a time. */
export async function repeat(work: Work, inFlight: number, count: number): Promise<void> {
  let left = count;
  const some = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: inFlight }, some));
}

/**
 * Runs work at a constant rate. Each is measured from the moment that it was due, so that slow work
 * does not hide the delay of what follows (coordinated omission).
 */
export async function atRate(
  work: DueWork,
  perSecond: number,
  durationMs: number,
): Promise<Measured> {
  const all: Promise<number>[] = [];
  const start = performance.now();
  for (let due = 0; due < durationMs; due += 1_000 / perSecond) {
    const waitMs = start + due - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    all.push(work(start + due).then(() => performance.now() - start - due));
  }
  return { tookMs: await Promise.all(all), wallMs: performance.now() - start };
}

/** Times are in milliseconds. */
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
