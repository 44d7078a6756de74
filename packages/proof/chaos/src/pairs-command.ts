import { liveLine, numberOf } from "@tercet/cli";
import { chaosCommand, durationOf } from "./command.ts";
import { runPairs } from "./pairs.ts";
import { freshSeed } from "./random.ts";

const [MINUTES, SYSTEMS] = ["120", "2"];

export const pairsCommand = chaosCommand({
  help: `Usage: pnpm chaos pairs [options]

Kills a process at one failpoint, and on the retry at another, for every pair of failpoints that
an order can reach. Each order must end as if nothing had been killed.

Options:
  --minutes N    stop after this time, even if pairs are left; default ${MINUTES}
  --seed N       chooses the order of the pairs; default random, printed
  --limit N      try this many pairs at most; default all
  --systems N    how many systems run side by side; default ${SYSTEMS}`,
  options: {
    minutes: { type: "string", default: MINUTES },
    seed: { type: "string", default: String(freshSeed()) },
    limit: { type: "string", default: "1000000" },
    systems: { type: "string", default: SYSTEMS },
  },
  run: async (context, dataDir) => {
    const show = liveLine(context);
    const { all, tried, both, firstOnly, none, breaches } = await runPairs({
      dataDir,
      seed: numberOf(context, "seed"),
      systems: numberOf(context, "systems"),
      limit: numberOf(context, "limit"),
      durationMs: durationOf(context),
      signal: context.signal,
      onProgress: (result) =>
        show(
          `${result.tried} of ${result.all} pairs tried, ${result.both} killed twice, ${result.breaches.length} breaches`,
        ),
    });
    context.terminal.line(
      `${tried} of ${all} pairs: ${both} killed twice, ${firstOnly} ended before the second failpoint, ${none} before the first`,
    );
    return breaches;
  },
});
