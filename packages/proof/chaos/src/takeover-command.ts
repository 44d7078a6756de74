import { chaosCommand, slowTakeOvers } from "./command.ts";
import { freshSeed } from "./random.ts";
import { runTakeover } from "./takeover.ts";

const DEFAULTS = { minutes: 1, seed: freshSeed(), replicas: 20, orders: 1_000 };
const LEASE_MS = 2_000;

export const takeoverCommand = chaosCommand({
  help: `Usage: pnpm chaos takeover [options]

Runs many Order replicas on one database and places orders. Every 2 s one replica is killed and
another frozen for longer than its lease; others must take over their sagas within the lease
and half a second, and no later write of theirs may count.

Options:
  --minutes N    how long replicas are killed and frozen; default ${DEFAULTS.minutes}
  --seed N       chooses the replicas and the orders; default random, printed
  --replicas N   the number of replicas; default ${DEFAULTS.replicas}
  --orders N     the number of orders; default ${DEFAULTS.orders}`,
  numbers: DEFAULTS,
  run: async ({ minutes, ...options }) => {
    const result = await runTakeover({ ...options, seconds: 60 * minutes, leaseMs: LEASE_MS });
    const { kills, freezes, takeovers, fencedWrites, delaysMs } = result;
    const { min, p50, max } = result.finishedByReplica;
    const rows = [
      ...Object.entries(result.ordersByStatus).map(
        ([status, count]) => [status, String(count)] as const,
      ),
      ["kills, freezes", `${kills}, ${freezes}`],
      ["take-overs", String(takeovers)],
      [
        "  delay p50, p99, max",
        `${delaysMs.p50}, ${delaysMs.p99}, ${delaysMs.max} ms; lease ${LEASE_MS} ms`,
      ],
      ["fenced writes", String(fencedWrites)],
      ["sagas per replica", `min ${min}, median ${p50}, max ${max}`],
    ] as const;
    return { rows, breaches: [...result.violations, ...slowTakeOvers(delaysMs, LEASE_MS)] };
  },
});
