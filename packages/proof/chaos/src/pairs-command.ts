import { chaosCommand } from "./command.ts";
import { runPairs } from "./pairs.ts";
import { freshSeed } from "./random.ts";

const DEFAULTS = { minutes: 120, seed: freshSeed(), limit: 1_000_000, systems: 2 };

export const pairsCommand = chaosCommand({
  help: `Usage: pnpm chaos pairs [options]

Kills a process at one failpoint, and on the retry at another, for every pair of failpoints that
an order can reach. Each order must end as if nothing had been killed.

Options:
  --minutes N    stop after this time, even if pairs are left; default ${DEFAULTS.minutes}
  --seed N       chooses the order of the pairs; default random, printed
  --limit N      try this many pairs at most; default all
  --systems N    how many systems run side by side; default ${DEFAULTS.systems}`,
  numbers: DEFAULTS,
  run: async ({ minutes, ...options }) => {
    const { all, tried, both, firstOnly, none, breaches } = await runPairs({
      ...options,
      durationMs: 60_000 * minutes,
    });
    const rows = [
      ["pairs tried", `${tried} of ${all}`],
      ["killed twice", String(both)],
      ["ended before the second failpoint", String(firstOnly)],
      ["ended before the first", String(none)],
    ] as const;
    return { rows, breaches };
  },
});
