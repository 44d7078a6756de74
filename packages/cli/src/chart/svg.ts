/** Text and axes follow the page's light or dark scheme. Colours of series must suit both. */
const STYLE = `<style>
text { font: 12px system-ui, sans-serif; fill: #333 }
.title, .heading { font-weight: 600 }
.title { font-size: 14px }
.paper { fill: #fff }
.grid { stroke: #ddd }
@media (prefers-color-scheme: dark) {
text { fill: #d0d4da }
.paper { fill: #15181d }
.grid { stroke: #3a3f47 }
}
</style>`;

/** Returns an SVG with its own background. */
export function svg(
  width: number,
  height: number,
  title: string,
  parts: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">`,
    STYLE,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

export const text = (x: number, y: number, words: string, attributes = ""): string =>
  `<text x="${round(x)}" y="${round(y)}"${attributes && ` ${attributes}`}>${escaped(words)}</text>`;

export const gridLine = (x1: number, y1: number, x2: number, y2: number): string =>
  `<line class="grid" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`;

export const round = (value: number): number => Math.round(value * 10) / 10;
export const escaped = (words: string): string =>
  words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
