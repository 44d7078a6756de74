import { liveLine, numberOf, table } from "@tercet/cli";
import { chaosCommand, durationOf, slowTakeOvers } from "./command.ts";
import { freshSeed } from "./random.ts";
import { runTakeover } from "./takeover.ts";

const [MINUTES, REPLICAS, ORDERS] = ["1", "20", "1000"];
const LEASE_MS = 2_000;

export const takeoverCommand = chaosCommand({
  help: `Usage: pnpm chaos takeover [options]

Runs many Order replicas on one database and places orders. Every 2 s one replica is killed and
another frozen for longer than its lease; others must take over their sagas within the lease
and 1 s, and no later write of theirs may count.

Options:
  --minutes N    how long replicas are killed and frozen; default ${MINUTES}
  --seed N       chooses the replicas and the orders; default random, printed
  --replicas N   the number of replicas; default ${REPLICAS}
  --orders N     the number of orders; default ${ORDERS}`,
  options: {
    minutes: { type: "string", default: MINUTES },
    seed: { type: "string", default: String(freshSeed()) },
    replicas: { type: "string", default: REPLICAS },
    orders: { type: "string", default: ORDERS },
  },
  run: async (context, dataDir) => {
    const show = liveLine(context);
    const result = await runTakeover({
      dataDir,
      replicas: numberOf(context, "replicas"),
      orders: numberOf(context, "orders"),
      seconds: durationOf(context) / 1_000,
      leaseMs: LEASE_MS,
      seed: numberOf(context, "seed"),
      signal: context.signal,
      onProgress: ({ phase, placed, kills, freezes }) =>
        show(`${phase}: ${placed} orders, ${kills} kills, ${freezes} freezes`, phase),
    });
    const { delaysMs, finishedByReplica: finished, ordersByStatus } = result;
    const lines = table([
      ...Object.entries(ordersByStatus).map(([status, count]) => [status, String(count)] as const),
      ["kills, freezes", `${result.kills}, ${result.freezes}`],
      ["take-overs", String(result.takeovers)],
      [
        "  delay p50, p99, max",
        `${delaysMs.p50}, ${delaysMs.p99}, ${delaysMs.max} ms; lease ${LEASE_MS} ms`,
      ],
      ["fenced writes", String(result.fencedWrites)],
      ["sagas per replica", `min ${finished.min}, median ${finished.p50}, max ${finished.max}`],
    ]);
    for (const line of lines) context.terminal.line(line);
    return [...result.violations, ...slowTakeOvers(delaysMs, LEASE_MS)];
  },
});
