import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "@tercet/stack";
import { startWorker } from "../bench/worker.ts";
import { customers } from "./customers.ts";
import type { Outcome, Task } from "./generator.ts";
import { pin } from "./processors.ts";

/** What one rate of orders came to. */
export interface Step extends Omit<Outcome, "confirmedAt"> {
  /** "10x": ten times what saturates. */
  readonly name: string;
  readonly offeredPerSecond: number;
}

/** How soon orders are confirmed as before when Payment is back. */
export interface Outage {
  readonly downMs: number;
  /** From Payment's return until a second with 95% of the goodput before; undefined: never. */
  readonly recoveredMs: number | undefined;
}

export interface OverloadOptions {
  /** Of each rate. */
  readonly seconds: number;
  readonly factors: readonly number[];
  /** 0: Payment is not stopped. */
  readonly outageSeconds: number;
  /** Of the load generator alone; undefined: it shares the processors of the system. */
  readonly processor?: number | undefined;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Overload {
  /** Confirmed orders per second when as many are in flight as saturate. */
  readonly peakPerSecond: number;
  readonly steps: readonly Step[];
  readonly outage: Outage | undefined;
}

/** Orders in flight that saturate one Order process. */
const SATURATING = 32;
const UNLOADED_SHARE = 0.1;
/** Times the other steps: few orders have no p99. */
const UNLOADED_TIMES = 3;
const RECOVERED = 0.95;
const BEFORE_OUTAGE_MS = 5_000;
/** For the goodput to return. */
const AFTER_OUTAGE_MS = 20_000;
const SECOND_MS = 1_000;

/** Finds what saturates the system, then offers it multiples of that. */
export async function measureOverload(stack: Stack, options: OverloadOptions): Promise<Overload> {
  const { seconds, factors, processor, onProgress, signal } = options;
  const tokens = await customers(stack);
  await using generator = await startWorker<Task, Outcome>("../overload/generator", [
    stack.urls.order,
    ...tokens,
  ]);
  if (processor !== undefined) await pin(generator.pid, [processor]);
  const ask = async (task: Task) => {
    signal.throwIfAborted();
    return generator.ask(task);
  };
  const durationMs = seconds * 1_000;
  const saturate: Task = { kind: "saturate", inFlight: SATURATING, durationMs };
  onProgress("warming up");
  await ask(saturate);
  onProgress("looking for what saturates");
  const peak = (await ask(saturate)).goodputPerSecond;
  const steps: Step[] = [];
  const rates = [
    ["unloaded", peak * UNLOADED_SHARE, durationMs * UNLOADED_TIMES],
    ...factors.map((factor) => [`${factor}x`, peak * factor, durationMs] as const),
  ] as const;
  for (const [name, perSecond, durationMs] of rates) {
    onProgress(`${name}: ${Math.round(perSecond)} orders/s`);
    const { confirmedAt: _, ...outcome } = await ask({ kind: "offer", perSecond, durationMs });
    steps.push({ name, offeredPerSecond: perSecond, ...outcome });
    await sleep(1_000, undefined, { signal });
  }
  const outage =
    options.outageSeconds === 0 ? undefined : await outageOf(stack, ask, peak, options);
  return { peakPerSecond: peak, steps, outage };
}

/** Stops Payment under full load, and measures how soon the goodput is back. */
async function outageOf(
  stack: Stack,
  ask: (task: Task) => Promise<Outcome>,
  perSecond: number,
  { outageSeconds, onProgress, signal }: OverloadOptions,
): Promise<Outage> {
  onProgress(`Payment is stopped for ${outageSeconds} s`);
  const downMs = outageSeconds * 1_000;
  const durationMs = BEFORE_OUTAGE_MS + downMs + AFTER_OUTAGE_MS;
  const load = ask({ kind: "offer", perSecond, durationMs });
  await sleep(BEFORE_OUTAGE_MS, undefined, { signal });
  const down = Date.now();
  await stack.services.payment.stop();
  await sleep(downMs, undefined, { signal });
  await stack.services.payment.start();
  const back = Date.now();
  const { confirmedAt } = await load;
  const between = (from: number, to: number) =>
    confirmedAt.filter((at) => at >= from && at < to).length;
  // The first second may be one of compilation.
  const beforePerSecond =
    between(down - BEFORE_OUTAGE_MS + SECOND_MS, down) / (BEFORE_OUTAGE_MS / SECOND_MS - 1);
  return { downMs, recoveredMs: recoveryOf(between, back, beforePerSecond) };
}

function recoveryOf(
  confirmed: (from: number, to: number) => number,
  back: number,
  beforePerSecond: number,
): number | undefined {
  for (let ms = 0; ms <= AFTER_OUTAGE_MS - 2 * SECOND_MS; ms += SECOND_MS / 4)
    if (confirmed(back + ms, back + ms + SECOND_MS) >= beforePerSecond * RECOVERED)
      return ms + SECOND_MS;
  return undefined;
}
