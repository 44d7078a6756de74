import { join } from "node:path";
import { allPairs, type Pair } from "./pair-journeys.ts";
import { type PairOutcome, PairSystem } from "./pair-system.ts";
import { seededRandom } from "./random.ts";
import { auditAtRest, type RunOptions } from "./system.ts";

export interface PairsOptions extends RunOptions {
  readonly seed: number;
  /** The number of systems that run side by side. */
  readonly systems: number;
  /** The highest number of pairs to try. */
  readonly limit: number;
  readonly durationMs: number;
}

export interface PairsResult {
  readonly all: number;
  readonly tried: number;
  /** Pairs of which both failpoints killed. */
  readonly both: number;
  /** Pairs whose order ended before it reached the second failpoint. */
  readonly firstOnly: number;
  readonly none: number;
  readonly breaches: readonly string[];
}

/**
 * Kills a process at one failpoint, and on the retry at another, for every pair of failpoints that
 * an order can reach. Throws StackError when a process cannot be started.
 */
export async function runPairs(options: PairsOptions): Promise<PairsResult> {
  const { dataDir, seed, systems, limit, durationMs, signal, onProgress } = options;
  const pairs = allPairs(seededRandom(seed)).slice(0, limit);
  const outcomes: PairOutcome[] = [];
  const breaches: string[] = [];
  const killed = (times: number) => outcomes.filter((outcome) => outcome.killed === times).length;
  const over = AbortSignal.any([AbortSignal.timeout(durationMs), signal]);
  // All systems take from one iterator, so that each pair is tried once.
  const waiting = pairs.values();
  const runSystem = async (index: number) => {
    await using system = await PairSystem.start(join(dataDir, `system-${index}`), signal);
    for (const pair of waiting) {
      const outcome = await system.run(pair);
      outcomes.push(outcome);
      if (outcome.breach !== undefined) breaches.push(`${describe(pair)}: ${outcome.breach}`);
      onProgress(
        `${outcomes.length} of ${pairs.length} pairs tried, ${killed(2)} killed twice, ${breaches.length} breaches`,
      );
      if (over.aborted) break;
    }
    const { breaches: found } = await auditAtRest(system.stack);
    breaches.push(...system.breaches, ...found);
  };
  await Promise.all(Array.from({ length: systems }, (_, index) => runSystem(index)));
  const counts = { both: killed(2), firstOnly: killed(1), none: killed(0) };
  return { all: pairs.length, tried: outcomes.length, ...counts, breaches };
}

const describe = ({ journey, first, second }: Pair): string =>
  `${journey.name}: ${first.service} ${first.name}, then ${second.service} ${second.name}`;
