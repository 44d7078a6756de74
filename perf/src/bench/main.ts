import { CommandError, numberOf, runCommand, temporaryFolder } from "@tercet/cli";
import { benchCalls } from "./calls.ts";
import { benchGrowth } from "./growth.ts";
import { benchMemory } from "./memory.ts";
import { benchRecovery } from "./recovery.ts";
import { benchReplicas } from "./replicas.ts";
import { keep } from "./report.ts";
import { benchRevision } from "./revision.ts";
import type { BenchOptions } from "./rounds.ts";
import { benchSagas, IN_FLIGHT } from "./sagas.ts";
import { benchStart } from "./start.ts";
import { benchStatements } from "./statements.ts";
import { benchTelemetry } from "./telemetry.ts";

const help = `Usage: pnpm bench [BENCHMARK]... [options]

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
  growth     What the statements of Order, of the saga engine and of Payment cost with 10,000
             orders in the tables, and with --orders. Keeps the plans of each too.
  replicas   1, 2 and 4 processes of Order on one PostgreSQL, 64 in flight.
  memory     Whether the memory of each service grows, for --minutes at --rate.
  telemetry  A system without traces and metrics, the same again (which shows the noise),
             and with metrics, 10% of traces and 100% of traces; saturated, and at half of
             the throughput without telemetry.
  revision   The whole system and an earlier revision of it, --against, each as pnpm start starts
             it, with 32 orders in flight and with 1. The earlier one is installed and built in
             ~/.cache/tercet-revisions, and kept. Linux only.
  start      What each service takes to start, what the first order takes of it, and what it
             occupies before and after 1,000 orders, beside Fastify with one route.

Prints medians over the rounds, in brackets the ratio to the first variant within a round and
the quartiles of that ratio. Percentiles of telemetry and revision are of all rounds together, with
the 90% bootstrap interval of their ratio. Writes reports/bench/NAME.json and NAME.svg.

Options:
  --rounds N     measurements of each variant; default 5
  --seconds N    length of a measurement; default 5
  --in-flight N  for sagas: with this number of orders in flight alone
  --orders N     for growth: orders in the large database; default 200000
  --against REV  for revision: a commit, branch or tag
  --minutes N    for memory; default 60
  --rate N       for memory: orders per second; default 10`;

interface Given {
  readonly inFlight: readonly number[];
  readonly orders: number;
  readonly against: string | undefined;
  readonly minutes: number;
  readonly rate: number;
}

type Bench = (options: BenchOptions, given: Given) => Promise<string[]>;

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
  replicas: async (options) =>
    await keep("replicas", "What more processes of Order give", await benchReplicas(options), 5),
  memory: async (options, given) =>
    await keep("memory", "Memory under load", await benchMemory({ ...options, ...given }), 2),
  telemetry: async (options) =>
    await keep("telemetry", "What traces and metrics cost", await benchTelemetry(options), 4),
  start: async (options) =>
    await keep("start", "What a service takes to start", await benchStart(options), 4),
  revision: async (options, { against }) => {
    if (against === undefined) throw new CommandError("revision needs --against; see --help");
    const results = await benchRevision(options, against);
    return await keep("revision", "What the whole system costs, and cost", results, 2);
  },
};

await runCommand({
  help,
  allowWords: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    orders: { type: "string", default: "200000" },
    "in-flight": { type: "string" },
    against: { type: "string" },
    minutes: { type: "string", default: "60" },
    rate: { type: "string", default: "10" },
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
    const given: Given = {
      inFlight: values["in-flight"] === undefined ? IN_FLIGHT : [numberOf(context, "in-flight")],
      orders: numberOf(context, "orders"),
      against: values["against"] as string | undefined,
      minutes: numberOf(context, "minutes"),
      rate: numberOf(context, "rate"),
    };
    for (const word of words.length > 0 ? words : ["calls", "sagas"])
      for (const line of (await benches[word]?.(options, given)) ?? []) terminal.line(line);
    return 0;
  },
});
