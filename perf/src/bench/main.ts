import { CommandError, numberOf, runCommand, temporaryFolder } from "@tercet/cli";
import { benchCalls } from "./calls.ts";
import { benchGrowth } from "./growth.ts";
import { benchRecovery } from "./recovery.ts";
import { keep } from "./report.ts";
import type { BenchOptions } from "./rounds.ts";
import { benchSagas, IN_FLIGHT } from "./sagas.ts";
import { benchStatements } from "./statements.ts";
import { benchTelemetry } from "./telemetry.ts";

const help = `Usage: pnpm bench [calls|sagas|statements|recovery|growth|telemetry]... [options]

Compares costs: one variant at a time is under load, in turn over several rounds.
Without arguments, runs calls and sagas.

  calls      A unary call of about 200 bytes, 32 in flight. Over gRPC, servers (@grpc/grpc-js,
             node:http2 alone, stock connect-node, our host without and with the fast path)
             called by the lightest client; then clients called against the lightest server.
             As JSON over HTTP/1.1: a bare Fastify route, tRPC and oRPC on Fastify with validation
             by zod and nothing else, and our host with everything on.
  sagas      An order from beginning to end, 1, 8, 32 and 64 in flight: by the statements and calls
             of the saga engine without it, with a stock Connect client and host and with ours, by
             the least statements that a shop needs, by the engine, and by the whole Order service.
  statements What each statement of an order writes and costs in PostgreSQL, 1 and 32 in flight.
  recovery   An Order process with 16 open orders is killed: until all are settled, when it is
             started again at once, and when another replica takes over.
  growth     What Order's statements cost with 10,000 orders in the tables, and with --orders.
  telemetry  A system without traces and metrics, the same again (which shows the noise),
             and with metrics, 10% of traces and 100% of traces; saturated, and at half of
             the throughput without telemetry.

Prints medians over the rounds, in brackets the ratio to the first variant within a round and
the quartiles of that ratio. Telemetry's p50 and p95 are of all rounds together, with the 90%
bootstrap interval of their ratio. Writes reports/bench/NAME.json and NAME.svg.

Options:
  --rounds N     measurements of each variant; default 5
  --seconds N    length of a measurement; default 5
  --in-flight N  for sagas: with this number of orders in flight alone
  --orders N     for growth: orders in the large database; default 200000`;

interface Sizes {
  readonly orders: number;
  readonly inFlight: readonly number[];
}

type Bench = (options: BenchOptions, sizes: Sizes) => Promise<string[]>;

const benches: Readonly<Record<string, Bench>> = {
  calls: async (options) =>
    await keep("calls", "What a unary call costs", await benchCalls(options), 2),
  sagas: async (options, { inFlight }) =>
    await keep("sagas", "What the saga engine costs", await benchSagas(options, inFlight), 1),
  statements: async (options) =>
    await keep("statements", "What the statements write", await benchStatements(options), 1),
  recovery: async (options) =>
    await keep("recovery", "How long orders wait for a process", await benchRecovery(options), 3),
  growth: async (options, { orders }) =>
    await keep("growth", "What growth costs", await benchGrowth(options, orders), 1),
  telemetry: async (options) =>
    await keep("telemetry", "What traces and metrics cost", await benchTelemetry(options), 4),
};

await runCommand({
  help,
  allowWords: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    orders: { type: "string", default: "200000" },
    "in-flight": { type: "string" },
  },
  run: async (context) => {
    const { words, values, terminal, signal } = context;
    const unknown = words.find((word) => benches[word] === undefined);
    if (unknown !== undefined)
      throw new CommandError(`there is no benchmark "${unknown}"; see --help`);
    await using data = await temporaryFolder("bench");
    const options: BenchOptions = {
      rounds: numberOf(context, "rounds"),
      seconds: numberOf(context, "seconds"),
      dataDir: data.path,
      signal,
      onProgress: (line) => (terminal.live ? terminal.draw([line]) : terminal.line(line)),
    };
    const sizes = {
      orders: numberOf(context, "orders"),
      inFlight: values["in-flight"] === undefined ? IN_FLIGHT : [numberOf(context, "in-flight")],
    };
    for (const word of words.length > 0 ? words : ["calls", "sagas"])
      for (const line of (await benches[word]?.(options, sizes)) ?? []) terminal.line(line);
    return 0;
  },
});
