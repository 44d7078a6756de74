/** Bars beside each other in groups, one group below the other. */
export interface BarChart {
  readonly title: string;
  readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[];
}

export interface Bar {
  readonly name: string;
  readonly value: number;
  /** What stands at its end: "1,207 (0.98)". */
  readonly label: string;
}

const WIDTH = 900;
const LEFT = 150;
const RIGHT = 190;
const BAR = 18;
const GAP = 6;
const COLOURS = ["#8a8f98", "#4c78a8", "#e0a030", "#1a6b54"];
const FONT = 'font-family="system-ui, sans-serif" font-size="12" fill="#444"';

/** An SVG. Every group has a scale of its own, so that bars are compared within it. */
export function barChart({ title, groups }: BarChart): string {
  const parts: string[] = [];
  let y = 48;
  for (const { name, bars } of groups) {
    const top = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
    parts.push(`<text x="16" y="${y + 13}" ${FONT} font-weight="600">${escaped(name)}</text>`);
    y += BAR + GAP;
    for (const [index, { name: bar, value, label }] of bars.entries()) {
      const width = Math.max(1, Math.round((value / top) * (WIDTH - LEFT - RIGHT)));
      parts.push(
        `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end" ${FONT}>${escaped(bar)}</text>`,
        `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR}" fill="${COLOURS[index % COLOURS.length]}"/>`,
        `<text x="${LEFT + width + 8}" y="${y + 13}" ${FONT}>${escaped(label)}</text>`,
      );
      y += BAR + GAP;
    }
    y += 2 * GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="${escaped(title)}">`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    `<text x="16" y="26" ${FONT} font-weight="600">${escaped(title)}</text>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
