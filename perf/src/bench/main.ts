import {
  type CommandContext,
  CommandError,
  numberOf,
  runCommand,
  temporaryFolder,
} from "@tercet/cli";
import { benchCalls } from "./calls.ts";
import { callsReport, keep, type Report, sagasReport, telemetryReport } from "./report.ts";
import { benchSagas } from "./sagas.ts";
import { benchTelemetry } from "./telemetry.ts";

const help = `Usage: pnpm bench [calls|sagas|telemetry]... [--rounds N] [--seconds N]

What things cost, side by side: one variant at a time is under load, again and again in turn. By default calls and sagas.

  calls      a unary gRPC call of some 200 bytes, 32 in flight: servers (node:http2 alone, @grpc/grpc-js, stock connect-node, our host with everything on) called
             by the lightest client; then clients, answered by the lightest server
  sagas      an order from beginning to end, 1, 8, 32 and 64 in flight: the statements and calls alone, the same by the saga engine, and the whole Order service
  telemetry  traces and metrics: a system without, the same once more (as far as these two differ, nothing is shown), one with metrics only, with 10% and with 100%
             traces, saturated and at half the rate that goes without

Prints medians over the rounds; in brackets the ratio to the first variant within a round, and between which ratios half of the rounds lie. Telemetry's p50 and p95 are
of all rounds together, and nine of ten ratios lie between those given when the rounds are drawn again. Each is also written to reports/bench/NAME.json and NAME.svg.

Options:
  --rounds N     how often each is measured: 5
  --seconds N    how long one measurement takes: 5`;

const benches: Readonly<Record<string, (context: CommandContext) => Promise<Report>>> = {
  calls: async (context) => callsReport(await benchCalls(optionsOf(context))),
  sagas: async (context) => {
    await using data = await temporaryFolder("bench");
    return sagasReport(await benchSagas({ ...optionsOf(context), dataDir: data.path }));
  },
  telemetry: async (context) => {
    await using data = await temporaryFolder("bench");
    return telemetryReport(await benchTelemetry({ ...optionsOf(context), dataDir: data.path }));
  },
};

await runCommand({
  help,
  allowWords: true,
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "5" } },
  run: async (context) => {
    const { words, terminal } = context;
    const unknown = words.find((word) => benches[word] === undefined);
    if (unknown !== undefined)
      throw new CommandError(`there is nothing to measure by the name ${unknown}; see --help`);
    for (const word of words.length > 0 ? words : ["calls", "sagas"]) {
      const report = await benches[word]?.(context);
      if (report === undefined) continue;
      for (const line of report.lines) terminal.line(line);
      terminal.line(`${await keep(report)}.json and .svg`);
    }
    return 0;
  },
});

function optionsOf(context: CommandContext) {
  const { terminal, signal } = context;
  return {
    rounds: numberOf(context, "rounds"),
    seconds: numberOf(context, "seconds"),
    signal,
    onProgress: (line: string) => (terminal.live ? terminal.draw([line]) : terminal.line(line)),
  };
}
