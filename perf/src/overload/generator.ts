import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "@tercet/cli";
import { respond } from "../bench/worker.ts";
import { type Ending, orders } from "./orders.ts";

/** What the generator does next. */
export type Task =
  /** As many orders as possible, with this many in flight. */
  | { readonly kind: "saturate"; readonly inFlight: number; readonly durationMs: number }
  /** Orders at a constant rate, whatever becomes of them. */
  | { readonly kind: "offer"; readonly perSecond: number; readonly durationMs: number };

/** What came of a task. Times are in milliseconds, from when each order was due. */
export interface Outcome {
  /** Confirmed while orders were offered. */
  readonly goodputPerSecond: number;
  readonly acceptedP50: number;
  readonly acceptedP99: number;
  readonly refused: number;
  readonly refusedP50: number;
  readonly refusedP99: number;
  /** Of the orders that were due after `SETTLE_MS`, when the service has found its limit. */
  readonly settledAcceptedP99: number;
  readonly settledRefusedP99: number;
  /** Neither confirmed nor refused. */
  readonly other: number;
  readonly probes: number;
  readonly probesLost: number;
  /** How late the generator itself sent orders. */
  readonly lagP99: number;
  /** Of one processor, for the generator itself. */
  readonly cpuShare: number;
  /** When each order was confirmed, since the epoch. */
  readonly confirmedAt: readonly number[];
}

const SETTLE_MS = 2_000;
const BACK_OFF_MS = 100;
const PROBE_EVERY_MS = 100;
const PROBE_TIMEOUT_MS = 1_000;

class Tally {
  readonly #settledAt = performance.now() + SETTLE_MS;
  readonly settledAccepted: number[] = [];
  readonly settledRefused: number[] = [];
  readonly accepted: number[] = [];
  readonly refused: number[] = [];
  readonly lags: number[] = [];
  readonly confirmedAt: number[] = [];
  other = 0;

  add(ending: Ending, dueAt: number): void {
    const now = performance.now();
    const settled = dueAt >= this.#settledAt;
    if (ending === "confirmed") {
      this.accepted.push(now - dueAt);
      if (settled) this.settledAccepted.push(now - dueAt);
      this.confirmedAt.push(performance.timeOrigin + now);
    } else if (ending === "refused") {
      this.refused.push(now - dueAt);
      if (settled) this.settledRefused.push(now - dueAt);
    } else this.other += 1;
  }
}

async function run(url: string, place: () => Promise<Ending>, task: Task): Promise<Outcome> {
  const tally = new Tally();
  const stopping = new AbortController();
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const probing = probe(url, stopping.signal);
  if (task.kind === "saturate") await saturate(place, task, tally);
  else await atRate(place, task, tally);
  const used = process.cpuUsage(cpu);
  const wallMs = performance.now() - start;
  stopping.abort();
  const { probes, lost } = await probing;
  const end = performance.timeOrigin + start + task.durationMs;
  const inTime = tally.confirmedAt.filter((at) => at <= end).length;
  return {
    goodputPerSecond: (inTime / task.durationMs) * 1_000,
    acceptedP50: quantile(tally.accepted, 0.5),
    acceptedP99: quantile(tally.accepted, 0.99),
    refused: tally.refused.length,
    refusedP50: quantile(tally.refused, 0.5),
    refusedP99: quantile(tally.refused, 0.99),
    settledAcceptedP99: quantile(tally.settledAccepted, 0.99),
    settledRefusedP99: quantile(tally.settledRefused, 0.99),
    other: tally.other,
    probes,
    probesLost: lost,
    lagP99: quantile(tally.lags, 0.99),
    cpuShare: (used.user + used.system) / 1_000 / wallMs,
    confirmedAt: tally.confirmedAt,
  };
}

async function saturate(
  place: () => Promise<Ending>,
  { inFlight, durationMs }: Extract<Task, { kind: "saturate" }>,
  tally: Tally,
): Promise<void> {
  const start = performance.now();
  const repeat = async () => {
    while (performance.now() - start < durationMs) {
      const dueAt = performance.now();
      const ending = await place();
      tally.add(ending, dueAt);
      // As a client does that is asked to come back later.
      if (ending !== "confirmed") await sleep(BACK_OFF_MS);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, repeat));
}

/** Places orders at a constant rate, however long they take; waits for all of them. */
async function atRate(
  place: () => Promise<Ending>,
  { perSecond, durationMs }: Extract<Task, { kind: "offer" }>,
  tally: Tally,
): Promise<void> {
  const all: Promise<void>[] = [];
  const start = performance.now();
  for (let due = 0; due < durationMs; due += 1_000 / perSecond) {
    const dueAt = start + due;
    const waitMs = dueAt - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    tally.lags.push(Math.max(0, performance.now() - dueAt));
    all.push(place().then((ending) => tally.add(ending, dueAt)));
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

const [url = "", ...tokens] = process.argv.slice(2);
const place = orders(url, tokens);
await respond("ready", (task: Task) => run(url, place, task));
