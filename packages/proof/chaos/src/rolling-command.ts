import { liveLine, numberOf, table } from "@tercet/cli";
import { chaosCommand } from "./command.ts";
import { runRolling } from "./rolling.ts";

const ROUNDS = "10";

export const rollingCommand = chaosCommand({
  help: `Usage: pnpm chaos rolling [options]

Replaces two replicas each of Order and Payment behind a balancer one by one, as a Deployment
does, while both are called over HTTP/1.1 and HTTP/2 (gRPC). No call may fail.

Options:
  --rounds N   how many times every replica is replaced; default ${ROUNDS}`,
  options: { rounds: { type: "string", default: ROUNDS } },
  run: async (context, dataDir) => {
    const show = liveLine(context);
    const { replaced, rounds, drainMs, orders, streams, breaches } = await runRolling({
      dataDir,
      rounds: numberOf(context, "rounds"),
      signal: context.signal,
      onProgress: ({ round, replaced: count, calls, failed }) =>
        show(`round ${round}: ${count} replaced, ${calls} calls, ${failed} failed`),
    });
    const lines = table([
      ["replicas replaced", `${replaced}, in ${rounds} rounds`],
      ["  drain p50, max", `${drainMs.p50}, ${drainMs.max} ms`],
      ["orders", String(orders)],
      ...streams.map(
        ({ name, calls, failures, ms }) =>
          [
            name,
            `${calls} calls, ${failures.length} failed; p50 ${ms.p50}, p99 ${ms.p99} ms`,
          ] as const,
      ),
    ]);
    for (const line of lines) context.terminal.line(line);
    return breaches;
  },
});
