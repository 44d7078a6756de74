import { join } from "node:path";
import { findViolations, readSnapshot, untilSettled } from "@tercet/audit";
import { allPairs, type Pair } from "./pair-journeys.ts";
import { PairLane } from "./pair-lane.ts";
import { seededRandom } from "./random.ts";

export interface PairsOptions {
  readonly dataDir: string;
  readonly seed: number;
  /** How many systems are tried side by side. */
  readonly lanes: number;
  /** At most so many pairs, of those that there are. */
  readonly limit: number;
  readonly durationMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (result: PairsResult) => void;
}

export interface PairsResult {
  readonly all: number;
  readonly tried: number;
  /** Both of them killed. */
  readonly both: number;
  /** The order came to its end without coming by the second. */
  readonly firstOnly: number;
  readonly none: number;
  readonly breaches: readonly string[];
}

const SETTLED_WITHIN_MS = 30_000;
const NEW_TOKEN_MS = 300_000;

/**
 * Kills at one failpoint, and on the retry at another, for every pair that an order can come by.
 */
export async function runPairs(options: PairsOptions): Promise<PairsResult> {
  const pairs = allPairs(seededRandom(options.seed)).slice(0, options.limit);
  const result = {
    all: pairs.length,
    tried: 0,
    both: 0,
    firstOnly: 0,
    none: 0,
    breaches: [] as string[],
  };
  const over = AbortSignal.any([AbortSignal.timeout(options.durationMs), options.signal]);
  // One iterator for all lanes, so that each pair is tried once.
  const waiting = pairs.values();
  const record = (pair: Pair, { killed, breach }: Awaited<ReturnType<PairLane["run"]>>) => {
    result.tried++;
    if (killed === 2) result.both++;
    else if (killed === 1) result.firstOnly++;
    else result.none++;
    if (breach !== undefined) result.breaches.push(`${describe(pair)}: ${breach}`);
    options.onProgress(result);
  };
  const lanes = Array.from({ length: options.lanes }, (_, index) =>
    runLane(options, index, waiting, over, record),
  );
  result.breaches.push(...(await Promise.all(lanes)).flat());
  return result;
}

const describe = ({ journey, first, second }: Pair): string =>
  `${journey.name}: ${first.service} ${first.name}, then ${second.service} ${second.name}`;

/** What was found broken in the lane's system when all was over. */
async function runLane(
  { dataDir, signal }: PairsOptions,
  index: number,
  waiting: Iterable<Pair>,
  over: AbortSignal,
  record: (pair: Pair, outcome: Awaited<ReturnType<PairLane["run"]>>) => void,
): Promise<string[]> {
  await using lane = await PairLane.start(join(dataDir, `lane-${index}`), signal);
  let tokenAt = Number.NEGATIVE_INFINITY;
  for (const pair of waiting) {
    if (performance.now() - tokenAt > NEW_TOKEN_MS) {
      await lane.renewToken();
      tokenAt = performance.now();
    }
    record(pair, await lane.run(pair));
    if (over.aborted) break;
  }
  const open = await untilSettled(lane.stack, SETTLED_WITHIN_MS);
  return [...open, ...findViolations(await readSnapshot(lane.stack))];
}
