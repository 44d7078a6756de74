import { distribution } from "@tercet/cli";
import { chaosCommand } from "./command.ts";
import { runRolling } from "./rolling.ts";

const DEFAULTS = { rounds: 10 };

export const rollingCommand = chaosCommand({
  help: `Usage: pnpm chaos rolling [options]

Replaces two replicas each of Order and Payment behind a balancer one by one, as a Deployment
does, while both are called over HTTP/1.1 and HTTP/2 (gRPC). No call may fail.

Options:
  --rounds N   how many times every replica is replaced; default ${DEFAULTS.rounds}`,
  numbers: DEFAULTS,
  run: async (options) => {
    const { replaced, drainMs, orders, streams, breaches } = await runRolling(options);
    const rows = [
      ["replicas replaced", `${replaced}, in ${options.rounds} rounds`],
      ["  drain p50, max", `${drainMs.p50}, ${drainMs.max} ms`],
      ["orders", String(orders)],
      ...streams.map(({ name, log: { tookMs, breaches: failed } }) => {
        const { count, p50, p99 } = distribution(tookMs);
        return [
          name,
          `${count} calls, ${failed.length} failed; p50 ${p50}, p99 ${p99} ms`,
        ] as const;
      }),
    ] as const;
    return { rows, breaches };
  },
});
