import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { barChart, ROOT, table } from "@tercet/cli";
import type { Compared } from "./compare.ts";

/** Figures by section, variant and title. Variants are compared within a section. */
export type Results = Readonly<Record<string, Readonly<Record<string, Figures>>>>;
type Figures = Readonly<Record<string, Compared>>;

/**
 * Writes results to reports/bench, with a chart of the first `charted` figures. Resolves to what is
 * printed: a table for each section.
 */
export async function keep(
  name: string,
  title: string,
  results: Results,
  charted: number,
): Promise<string[]> {
  const sections = Object.entries(results).map(([section, variants]) => {
    const titles = Object.keys(Object.values(variants)[0] ?? {});
    const rows = Object.entries(variants).map(([variant, figures]): [string, string] => [
      variant,
      Object.values(figures).map(shown).join(" | "),
    ]);
    const groups = titles.slice(0, charted).map((figure) => ({
      name: `${section}: ${figure}`,
      bars: Object.entries(variants).flatMap(([variant, { [figure]: bar }]) =>
        bar === undefined ? [] : { name: variant, value: bar.value, label: shown(bar) },
      ),
    }));
    return { groups, lines: [...table([[section, titles.join(" | ")], ...rows]), ""] };
  });
  const folder = join(ROOT, "reports", "bench");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(results, null, 2)}\n`);
  const chart = { title, groups: sections.flatMap(({ groups }) => groups) };
  await writeFile(join(folder, `${name}.svg`), barChart(chart));
  return [
    ...sections.flatMap(({ lines }) => lines),
    `${join("reports", "bench", name)}.json and .svg`,
  ];
}

/**
 * Formats a figure with its ratio to the first variant, and the interval of that ratio. To nothing
 * there is no ratio. Without one, the interval is the figure's own.
 */
function shown({ value, ratio, from, to }: Compared): string {
  const figure = rounded(value);
  if (!Number.isFinite(ratio))
    return Number.isFinite(from) ? `${figure} (${rounded(from)} to ${rounded(to)})` : figure;
  return `${figure} (${ratio.toFixed(2)}; ${from.toFixed(2)} to ${to.toFixed(2)})`;
}

function rounded(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
