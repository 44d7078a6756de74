import { quantile } from "@tercet/cli";

/** A line of `k6 run --out json`; the others begin with their type, and declare a metric. */
export interface Point {
  readonly metric: string;
  readonly data: { readonly time: string; readonly value: number };
}

/** What happened in equal steps of time; undefined where nothing did. */
export interface Timeline {
  readonly stepMs: number;
  readonly users: readonly (number | undefined)[];
  readonly perSecond: readonly number[];
  readonly failedPerSecond: readonly number[];
  /** Milliseconds. */
  readonly p50: readonly (number | undefined)[];
  readonly p95: readonly (number | undefined)[];
  readonly p99: readonly (number | undefined)[];
}

interface Second {
  users: number | undefined;
  ended: number;
  failed: number;
  readonly tookMs: number[];
}

const SUCCESS = "payment_processing_success";
const USERS = "vus";
/** As many steps as a chart has room for. */
const MOST_STEPS = 240;

/**
 * A run second by second, from the moment that its scenario has users: what comes before is of the
 * preparations.
 */
export class Series {
  readonly #duration: string;
  readonly #seconds: Second[] = [];
  #startedAt: number | undefined;

  /** `duration` is the metric of how long one takes. */
  constructor(duration: string) {
    this.#duration = duration;
  }

  /** Adds a line of k6's output. Most are skipped without being parsed. */
  addLine(line: string): void {
    if ([SUCCESS, USERS, this.#duration].some((metric) => line.startsWith(`{"metric":"${metric}"`)))
      this.#add(JSON.parse(line));
  }

  #add({ metric, data: { time, value } }: Point): void {
    if (metric === USERS && value === 0 && this.#startedAt === undefined) return;
    this.#startedAt ??= Date.parse(time);
    const second = this.#at(Math.max(0, Math.floor((Date.parse(time) - this.#startedAt) / 1_000)));
    if (metric === USERS) second.users = value;
    if (metric === this.#duration) second.tookMs.push(value);
    if (metric !== SUCCESS) return;
    second.ended++;
    if (value === 0) second.failed++;
  }

  #at(index: number): Second {
    while (this.#seconds.length <= index)
      this.#seconds.push({ users: undefined, ended: 0, failed: 0, tookMs: [] });
    return this.#seconds[index] as Second;
  }

  /** Of the last seconds; undefined before the first sample. */
  recent(
    seconds: number,
  ): (Omit<Step, "p50" | "p99"> & { readonly atMs: number; readonly failed: number }) | undefined {
    if (this.#startedAt === undefined) return undefined;
    const failed = this.#seconds.reduce((sum, second) => sum + second.failed, 0);
    return { ...stepOf(this.#seconds.slice(-seconds)), failed, atMs: Date.now() - this.#startedAt };
  }

  timeline(): Timeline {
    const size = Math.max(1, Math.ceil(this.#seconds.length / MOST_STEPS));
    const steps = Array.from({ length: Math.ceil(this.#seconds.length / size) }, (_, index) =>
      stepOf(this.#seconds.slice(index * size, (index + 1) * size)),
    );
    return {
      stepMs: size * 1_000,
      users: steps.map(({ users }) => users),
      perSecond: steps.map(({ perSecond }) => perSecond),
      failedPerSecond: steps.map(({ failedPerSecond }) => failedPerSecond),
      p50: steps.map(({ p50 }) => p50),
      p95: steps.map(({ p95 }) => p95),
      p99: steps.map(({ p99 }) => p99),
    };
  }
}

interface Step {
  readonly users: number | undefined;
  readonly perSecond: number;
  readonly failedPerSecond: number;
  readonly p50: number | undefined;
  readonly p95: number | undefined;
  readonly p99: number | undefined;
}

function stepOf(seconds: readonly Second[]): Step {
  const tookMs = seconds.flatMap((second) => second.tookMs);
  const at = (share: number) => (tookMs.length === 0 ? undefined : quantile(tookMs, share));
  const mean = (count: (second: Second) => number) =>
    seconds.reduce((sum, second) => sum + count(second), 0) / seconds.length;
  return {
    users: seconds.findLast(({ users }) => users !== undefined)?.users,
    perSecond: mean(({ ended }) => ended),
    failedPerSecond: mean(({ failed }) => failed),
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
  };
}
