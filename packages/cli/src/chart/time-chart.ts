import { clock, niceCeiling, ticks } from "./scale.ts";
import { escaped, gridLine, round, svg, text } from "./svg.ts";

/** Panels below each other, on one time axis. Times are milliseconds since the start. */
export interface TimeChart {
  readonly title: string;
  /** Time between two values of a line; the first value is for the time up to here. */
  readonly stepMs: number;
  readonly panels: readonly Panel[];
  /** Intervals, shown behind every panel. */
  readonly bands?: readonly (Labelled & { readonly fromMs: number; readonly toMs: number })[];
  /** Events, shown below the panels. */
  readonly marks?: readonly (Labelled & { readonly atMs: number })[];
}

export interface Panel {
  /** With its unit: "order, ms". */
  readonly title: string;
  readonly lines: readonly Line[];
  /** Upper limits, shown as dashed lines. */
  readonly limits?: readonly (Labelled & { readonly value: number })[];
  /** 150 by default. */
  readonly height?: number;
}

interface Labelled {
  readonly label: string;
  readonly colour: string;
}

export interface Line {
  readonly name: string;
  readonly colour: string;
  /** Undefined: no value. */
  readonly values: readonly (number | undefined)[];
}

const WIDTH = 960;
const LEFT = 60;
const RIGHT = 20;
const TOP = 44;
const HEADING = 26;
const GAP = 22;
const AXIS = 40;
const LEGEND = 26;

/** Returns an SVG. */
export function timeChart({ title, stepMs, panels, bands = [], marks = [] }: TimeChart): string {
  const count = Math.max(
    1,
    ...panels.flatMap(({ lines }) => lines.map(({ values }) => values.length)),
  );
  const totalMs = count * stepMs;
  const x = (ms: number) =>
    round(LEFT + (Math.min(ms, totalMs) / totalMs) * (WIDTH - LEFT - RIGHT));
  const times = ticks(totalMs);
  const parts = [text(16, 26, title, 'class="title"')];
  let y = TOP;
  for (const panel of panels) {
    const height = panel.height ?? 150;
    const from = y + HEADING;
    parts.push(...legend(LEFT, y + 14, panel));
    parts.push(...times.map((ms) => gridLine(x(ms), from, x(ms), from + height)));
    parts.push(
      ...bands.map(
        ({ label, colour, fromMs, toMs }) =>
          `<rect x="${x(fromMs)}" y="${from}" width="${round(Math.max(1, x(toMs) - x(fromMs)))}" height="${height}" fill="${colour}" opacity="0.3"><title>${escaped(label)}</title></rect>`,
      ),
    );
    parts.push(...plot(panel, from, height, (index) => x((index + 0.5) * stepMs)));
    y = from + height + GAP;
  }
  const bottom = y - GAP;
  parts.push(
    ...marks.map(
      ({ label, colour, atMs }) =>
        `<path d="M${x(atMs)} ${bottom + 2} l-3 8 h6 z" fill="${colour}"><title>${escaped(`${clock(atMs)} ${label}`)}</title></path>`,
    ),
    ...times.map((ms) =>
      text(x(ms), bottom + (marks.length > 0 ? 26 : 18), clock(ms), 'text-anchor="middle"'),
    ),
    ...keys(LEFT, bottom + AXIS + 14, [...bands, ...marks], swatch),
  );
  return svg(WIDTH, bottom + AXIS + (bands.length + marks.length > 0 ? LEGEND : 0), title, parts);
}

function plot(
  { lines, limits = [] }: Panel,
  from: number,
  height: number,
  x: (index: number) => number,
): string[] {
  const highest = Math.max(
    0,
    ...lines.flatMap(({ values }) => values.filter((value) => value !== undefined)),
  );
  const top = niceCeiling(highest || 1);
  const y = (value: number) => round(from + height - (value / top) * height);
  const shares = height > 100 ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1];
  return [
    ...shares.flatMap((share) => [
      gridLine(LEFT, y(share * top), WIDTH - RIGHT, y(share * top)),
      text(LEFT - 8, y(share * top) + 4, (share * top).toLocaleString("en"), 'text-anchor="end"'),
    ]),
    ...limits
      .filter(({ value }) => value <= top)
      .map(
        ({ value, colour }) =>
          `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="${colour}" stroke-dasharray="6 4"/>`,
      ),
    ...lines.map(
      ({ name, colour, values }) =>
        `<path d="${pathOf(values, x, y)}" fill="none" stroke="${colour}" stroke-width="1.6" stroke-linejoin="round" stroke-linecap="round"><title>${escaped(name)}</title></path>`,
    ),
  ];
}

/** A missing value is a gap; a value between two gaps is a dot. */
function pathOf(
  values: readonly (number | undefined)[],
  x: (index: number) => number,
  y: (value: number) => number,
): string {
  return values
    .map((value, index) => {
      if (value === undefined) return "";
      const start = values[index - 1] === undefined;
      const alone = start && values[index + 1] === undefined;
      return `${start ? "M" : "L"}${x(index)} ${y(value)}${alone ? "h0" : ""}`;
    })
    .join("");
}

const swatch = (x: number, y: number, colour: string): string =>
  `<rect x="${x}" y="${y - 9}" width="10" height="10" fill="${colour}"/>`;
const stroke =
  (attributes: string) =>
  (x: number, y: number, colour: string): string =>
    `<line x1="${x}" x2="${x + 14}" y1="${y - 4}" y2="${y - 4}" stroke="${colour}" ${attributes}/>`;

/** A panel's title and legend; a single line has no legend. */
function legend(x: number, y: number, { title, lines, limits = [] }: Panel): string[] {
  const named = lines.length > 1 ? lines.map(({ name, colour }) => ({ label: name, colour })) : [];
  const afterTitle = x + 30 + title.length * WIDE;
  const afterLines = afterTitle + named.reduce((sum, { label }) => sum + wide(label), 0);
  return [
    text(x, y, title, 'class="heading"'),
    ...keys(afterTitle, y, named, stroke('stroke-width="2.5"')),
    ...keys(afterLines, y, limits, stroke('stroke-dasharray="4 3"')),
  ];
}

/** The approximate width of a letter: an SVG cannot measure text. */
const WIDE = 6.6;
const wide = (label: string): number => 38 + label.length * WIDE;

/** Each label once, next to its symbol. */
function keys(
  from: number,
  y: number,
  items: readonly Labelled[],
  sign: (x: number, y: number, colour: string) => string,
): string[] {
  let x = from;
  return [...new Map(items.map(({ label, colour }) => [label, colour]))].map(([label, colour]) => {
    const key = sign(round(x), y, colour) + text(x + 19, y, label);
    x += wide(label);
    return key;
  });
}
