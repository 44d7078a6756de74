/** Times in milliseconds since the beginning; one value for each second. */
export interface ThroughputChart {
  readonly title: string;
  readonly perSecond: readonly number[];
  /** While something lasted. */
  readonly bands: readonly { readonly label: string; readonly colour: string; readonly fromMs: number; readonly toMs: number }[];
  /** When something happened. */
  readonly marks: readonly { readonly label: string; readonly colour: string; readonly atMs: number }[];
}

const WIDTH = 1_200;
const HEIGHT = 360;
const LEFT = 52;
const RIGHT = 16;
const TOP = 48;
const BOTTOM = 72;
const FONT = 'font-family="system-ui, sans-serif" font-size="12" fill="#444"';

/** An SVG: the line of throughput over time, with what happened to the system behind it. */
export function throughputChart({ title, perSecond, bands, marks }: ThroughputChart): string {
  const totalMs = Math.max(1_000, perSecond.length * 1_000);
  const top = niceCeiling(Math.max(1, ...perSecond));
  const x = (ms: number) => round(LEFT + (Math.min(ms, totalMs) / totalMs) * (WIDTH - LEFT - RIGHT));
  const y = (value: number) => round(HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM));
  const line = perSecond.map((value, second) => `${x((second + 0.5) * 1_000)},${y(value)}`).join(" ");
  const bottom = HEIGHT - BOTTOM;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="24" ${FONT} font-weight="600">${escaped(title)}</text>`,
    ...bands.map(
      ({ label, colour, fromMs, toMs }) =>
        `<rect x="${x(fromMs)}" y="${TOP}" width="${Math.max(1, x(toMs) - x(fromMs))}" height="${bottom - TOP}" fill="${colour}" opacity="0.25"><title>${escaped(label)}</title></rect>`,
    ),
    ...[0, 0.25, 0.5, 0.75, 1].map(
      (part) =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(part * top)}" y2="${y(part * top)}" stroke="#ddd"/><text x="${LEFT - 8}" y="${y(part * top) + 4}" text-anchor="end" ${FONT}>${round(part * top)}</text>`,
    ),
    ...ticks(totalMs).map((ms) => `<text x="${x(ms)}" y="${bottom + 34}" text-anchor="middle" ${FONT}>${clock(ms)}</text>`),
    ...marks.map(
      ({ label, colour, atMs }) =>
        `<path d="M${x(atMs)} ${bottom + 2} l-3 8 h6 z" fill="${colour}"><title>${escaped(`${clock(atMs)} ${label}`)}</title></path>`,
    ),
    `<polyline points="${line}" fill="none" stroke="#1a6b54" stroke-width="1.5"/>`,
    ...legend([...bands, ...marks]),
    "</svg>",
    "",
  ].join("\n");
}

function legend(items: readonly { readonly label: string; readonly colour: string }[]): string[] {
  const kinds = new Map(items.map(({ label, colour }) => [label, colour]));
  let at = LEFT;
  return [...kinds].map(([label, colour]) => {
    const text = `<rect x="${at}" y="${HEIGHT - 22}" width="10" height="10" fill="${colour}"/><text x="${at + 15}" y="${HEIGHT - 13}" ${FONT}>${escaped(label)}</text>`;
    at += 34 + label.length * 6.6;
    return text;
  });
}

const TICKS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

function ticks(totalMs: number): number[] {
  const stepMs = 1_000 * (TICKS_S.find((seconds) => totalMs / 1_000 / seconds <= 12) ?? 1_200);
  return Array.from({ length: Math.floor(totalMs / stepMs) + 1 }, (_, index) => index * stepMs);
}

/** 1, 2, 5, 10, 20, 50 and so on. */
function niceCeiling(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * magnitude >= value) ?? 10) * magnitude;
}

const clock = (ms: number): string => `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1_000) % 60).padStart(2, "0")}`;
const round = (value: number): number => Math.round(value * 10) / 10;
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
