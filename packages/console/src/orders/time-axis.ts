/** A stretch of time that is drawn to scale; between two of them nothing happened. */
export interface Stretch {
  readonly startMs: number;
  readonly endMs: number;
  /** Of the whole width, from 0 to 1. */
  readonly from: number;
  readonly to: number;
}

export interface Tick {
  readonly at: number;
  /** Since the beginning. */
  readonly ms: number;
}

export interface TimeAxis {
  readonly stretches: readonly Stretch[];
  readonly ticks: readonly Tick[];
  /** Returns where a moment is, from 0 to 1. */
  at(ms: number): number;
}

interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** An idle time is cut out if it is longer than this, and than the rest of the axis. */
const LONG_IDLE_MS = 3_000;
const CUT = 0.05;
const TICKS = 5;

/**
 * Makes an axis over what happened. A long time in which nothing happened, as between an order and
 * its cancellation on another day, takes a narrow gap, so that the rest stays readable.
 */
export function timeAxis(startMs: number, endMs: number, spans: readonly Span[]): TimeAxis {
  const parts = busyParts(startMs, Math.max(endMs, startMs + 1), spans);
  const busyMs = parts.reduce((sum, part) => sum + (part.endMs - part.startMs), 0);
  const width = 1 - CUT * (parts.length - 1);
  let from = 0;
  const stretches = parts.map((part): Stretch => {
    const share = ((part.endMs - part.startMs) / busyMs) * width;
    const stretch = { ...part, from, to: from + share };
    from += share + CUT;
    return stretch;
  });
  const at = (ms: number): number => {
    const within = stretches.find((stretch) => ms <= stretch.endMs) ?? stretches.at(-1);
    if (within === undefined) return 0;
    const { startMs: start, endMs: end, from: left, to: right } = within;
    const share = Math.min(1, Math.max(0, (ms - start) / (end - start)));
    return left + share * (right - left);
  };
  return { stretches, ticks: ticksOf(stretches, startMs, at), at };
}

/** Merges the spans where no long idle time is between them. */
function busyParts(startMs: number, endMs: number, spans: readonly Span[]): Span[] {
  const sorted = [{ startMs, endMs: startMs }, ...spans, { startMs: endMs, endMs }]
    .filter((span) => span.startMs <= endMs)
    .sort((a, b) => a.startMs - b.startMs);
  const busy = spans.reduce((sum, span) => sum + (span.endMs - span.startMs), 0);
  const longIdleMs = Math.max(LONG_IDLE_MS, busy);
  const parts: Span[] = [];
  for (const span of sorted) {
    const last = parts.at(-1);
    if (last === undefined || span.startMs - last.endMs > longIdleMs) parts.push(span);
    else parts[parts.length - 1] = { ...last, endMs: Math.max(last.endMs, span.endMs) };
  }
  // A moment has a width too.
  const least = Math.max(1, busy / 20);
  return parts.map((part) =>
    part.endMs - part.startMs < least ? { ...part, endMs: part.startMs + least } : part,
  );
}

const NICE = [1, 2, 5];

/** Round times in the first and longest stretches; the beginning of each later one. */
function ticksOf(
  stretches: readonly Stretch[],
  startMs: number,
  at: (ms: number) => number,
): Tick[] {
  const [first, ...later] = stretches;
  if (first === undefined) return [];
  const every = niceStep(
    (first.endMs - first.startMs) / Math.max(1, TICKS * (first.to - first.from)),
  );
  const ticks: Tick[] = [];
  for (let ms = first.startMs; ms <= first.endMs; ms += every)
    ticks.push({ at: at(ms), ms: ms - startMs });
  return [...ticks, ...later.map((part) => ({ at: part.from, ms: part.startMs - startMs }))];
}

function niceStep(roughMs: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, roughMs)));
  const nice = NICE.find((factor) => factor * power >= roughMs);
  return Math.max(1, nice === undefined ? 10 * power : nice * power);
}
