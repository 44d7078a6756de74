import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "@tercet/cli";
import { atRate, saturate } from "../bench/load.ts";
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

  /** Counts an order when it has ended; resolves to how. */
  async add(order: Promise<Ending>, dueAt: number): Promise<Ending> {
    const ending = await order;
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
    return ending;
  }
}

async function run(url: string, place: () => Promise<Ending>, task: Task): Promise<Outcome> {
  const tally = new Tally();
  const stopping = new AbortController();
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const probing = probe(url, stopping.signal);
  if (task.kind === "saturate")
    await saturate(
      async () => {
        const ending = await tally.add(place(), performance.now());
        // As a client does that is asked to come back later.
        if (ending !== "confirmed") await sleep(BACK_OFF_MS);
      },
      task.inFlight,
      task.durationMs,
    );
  else
    await atRate(
      async (dueAt) => {
        tally.lags.push(Math.max(0, performance.now() - dueAt));
        await tally.add(place(), dueAt);
      },
      task.perSecond,
      task.durationMs,
    );
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
