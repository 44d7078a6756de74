import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { numberOf, ROOT, runCommand, StackError, table, temporaryFolder } from "@tercet/stack";
import { benchTelemetry, type Compared, type TelemetryFigures } from "./telemetry.ts";

const help = `Usage: pnpm bench telemetry [--rounds N] [--seconds N]

telemetry: what traces and metrics cost. Four systems, without telemetry, with metrics only, with 10% and with 100% traces; one at a time runs and is under
  load, in turn: saturated, and at half the rate that goes without. Prints medians over the rounds, with the ratio to the first within a round and
  between which ratios half of the rounds lie; the table is also written to reports/bench/telemetry.json.

Options:
  --rounds N     how often each is measured: 5
  --seconds N    how long one measurement takes: 6`;

await runCommand({
  help,
  allowWords: true,
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "6" } },
  run: async (context) => {
    if (context.words.join(" ") !== "telemetry") throw new StackError("say what to measure: telemetry; see --help");
    await using data = await temporaryFolder("bench");
    const { terminal, signal } = context;
    const figures = await benchTelemetry({
      dataDir: data.path,
      rounds: numberOf(context, "rounds"),
      seconds: numberOf(context, "seconds"),
      signal,
      onProgress: (line) => (terminal.live ? terminal.draw([line]) : terminal.line(line)),
    });
    for (const line of lines(figures)) terminal.line(line);
    const folder = join(ROOT, "reports", "bench");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "telemetry.json"), `${JSON.stringify(figures, null, 2)}\n`);
    return 0;
  },
});

function lines(figures: readonly TelemetryFigures[]): string[] {
  const ratio = ({ ratio, from, to }: Compared) => `(${ratio.toFixed(2)}; ${from.toFixed(2)} to ${to.toFixed(2)})`;
  const ms = (figure: Compared) => `${figure.value.toFixed(1)} ms ${ratio(figure)}`;
  return table([
    ["", "orders/s saturated | p50, p95 at half that rate; in brackets the ratio to off, and where half of the rounds lie"],
    ...figures.map(({ variant, ordersPerSecond, p50, p95 }): [string, string] => [
      variant,
      `${ordersPerSecond.value.toFixed(0)} ${ratio(ordersPerSecond)} | ${ms(p50)}, ${ms(p95)}`,
    ]),
  ]);
}
