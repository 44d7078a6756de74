import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { barChart, ROOT, table } from "@tercet/cli";
import type { Overload, Step } from "./overload.ts";

const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

/** Half of what refusals may take: above, a step measures its generator. */
const MAX_LAG_MS = 10;

const shown = (step: Step): string =>
  [
    `${Math.round(step.offeredPerSecond)} offered`,
    `${Math.round(step.goodputPerSecond)} confirmed`,
    `p50 ${ms(step.acceptedP50)}`,
    `p99 ${ms(step.acceptedP99)}`,
    `${step.refused} refused, p50 ${ms(step.refusedP50)}, p99 ${ms(step.refusedP99)}`,
    `from the third second on p99 ${ms(step.settledAcceptedP99)}, of refusals ${ms(step.settledRefusedP99)}`,
    `${step.other} other`,
    `${step.probesLost} of ${step.probes} probes lost`,
    `generator: lag p99 ${ms(step.lagP99)}, ${Math.round(step.cpuShare * 100)}% of a processor`,
    ...(step.lagP99 > MAX_LAG_MS ? ["INVALID: the generator lags"] : []),
  ].join(" | ");

/** Writes results and charts to reports/overload; resolves to what is printed. */
export async function keep({ peakPerSecond, steps, outage }: Overload): Promise<string[]> {
  const folder = join(ROOT, "reports", "overload");
  await mkdir(folder, { recursive: true });
  const results = { peakPerSecond, steps, outage };
  await writeFile(join(folder, "overload.json"), `${JSON.stringify(results, null, 2)}\n`);
  const bars = (value: (step: Step) => number, label: (value: number) => string) =>
    steps.map((step) => ({ name: step.name, value: value(step), label: label(value(step)) }));
  const chart = barChart({
    title: "Orders at multiples of what saturates",
    groups: [
      {
        name: "confirmed per second",
        bars: bars(
          ({ goodputPerSecond }) => goodputPerSecond,
          (value) => String(Math.round(value)),
        ),
      },
      { name: "p99 of confirmed orders", bars: bars(({ acceptedP99 }) => acceptedP99, ms) },
      { name: "p99 of refusals", bars: bars(({ refusedP99 }) => refusedP99, ms) },
    ],
  });
  await writeFile(join(folder, "overload.svg"), chart);
  const recovery =
    outage === undefined
      ? []
      : [
          `Payment stopped for ${outage.downMs / 1_000} s: ${
            outage.recoveredMs === undefined
              ? "95% of the goodput did not return within a minute"
              : `95% of the goodput after ${ms(outage.recoveredMs)}`
          }`,
        ];
  return [
    `peak: ${Math.round(peakPerSecond)} confirmed per second`,
    ...table(steps.map((step): [string, string] => [step.name, shown(step)])),
    ...recovery,
    `${join("reports", "overload", "overload")}.json and .svg`,
  ];
}
