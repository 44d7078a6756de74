import { svg, text } from "./svg.ts";

/** Bars in groups, one group below the other. */
export interface BarChart {
  readonly title: string;
  readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[];
}

export interface Bar {
  readonly name: string;
  readonly value: number;
  /** The label at its end: "1,207 (0.98)". */
  readonly label: string;
}

const WIDTH = 900;
const LEFT = 150;
const RIGHT = 220;
const BAR = 18;
const GAP = 6;
const COLOURS = ["#8a8f98", "#4c78a8", "#d99a2b", "#1a8a6b", "#a3669c"];

/** Returns an SVG. Every group has its own scale: bars are compared within a group. */
export function barChart({ title, groups }: BarChart): string {
  const parts = [text(16, 26, title, 'class="title"')];
  let y = 48;
  for (const { name, bars } of groups) {
    const top = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
    parts.push(text(16, y + 13, name, 'class="heading"'));
    y += BAR + GAP;
    for (const [index, { name: bar, value, label }] of bars.entries()) {
      const width = Math.max(1, Math.round((value / top) * (WIDTH - LEFT - RIGHT)));
      parts.push(
        text(LEFT - 8, y + 13, bar, 'text-anchor="end"'),
        `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR}" fill="${COLOURS[index % COLOURS.length]}"/>`,
        text(LEFT + width + 8, y + 13, label),
      );
      y += BAR + GAP;
    }
    y += 2 * GAP;
  }
  return svg(WIDTH, y, title, parts);
}
