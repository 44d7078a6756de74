import { quantile } from "@tercet/cli";

/**
 * A value in a line of `k6 run --out json`. Other lines declare a metric, and begin with "type".
 */
interface Point {
  readonly metric: string;
  readonly data: { readonly time: string; readonly value: number };
}

/** A part of the run. Latencies are in milliseconds. */
interface Step {
  readonly users: number | undefined;
  readonly perSecond: number;
  readonly failedPerSecond: number;
  readonly p50: number | undefined;
  readonly p95: number | undefined;
  readonly p99: number | undefined;
}

/** What happened in equal steps of time; undefined where nothing did. */
export type Timeline = { readonly stepMs: number } & {
  readonly [Name in keyof Step]: readonly Step[Name][];
};

/** Rate and latencies are those of the last seconds. */
export interface LoadProgress extends Step {
  readonly elapsedMs: number;
  /** Since the beginning. */
  readonly failed: number;
}

interface Second {
  users: number | undefined;
  ended: number;
  failed: number;
  readonly tookMs: number[];
}

const SUCCESS = "payment_processing_success";
const USERS = "vus";
/** A chart has room for no more. */
const MOST_STEPS = 240;

/** A run second by second, from the moment that its scenario has users, after the preparations. */
export class Series {
  readonly #duration: string;
  readonly #seconds: Second[] = [];
  #startedAt: number | undefined;

  /** `duration` is the metric of latencies. */
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

  /** Returns the figures of the last seconds; undefined before the first sample. */
  recent(seconds: number): LoadProgress | undefined {
    if (this.#startedAt === undefined) return undefined;
    const failed = this.#seconds.reduce((sum, second) => sum + second.failed, 0);
    const elapsedMs = Date.now() - this.#startedAt;
    return { ...stepOf(this.#seconds.slice(-seconds)), failed, elapsedMs };
  }

  timeline(): Timeline {
    const size = Math.max(1, Math.ceil(this.#seconds.length / MOST_STEPS));
    const steps = Array.from({ length: Math.ceil(this.#seconds.length / size) }, (_, index) =>
      stepOf(this.#seconds.slice(index * size, (index + 1) * size)),
    );
    const values = <Name extends keyof Step>(name: Name) => steps.map((step) => step[name]);
    return {
      stepMs: size * 1_000,
      users: values("users"),
      perSecond: values("perSecond"),
      failedPerSecond: values("failedPerSecond"),
      p50: values("p50"),
      p95: values("p95"),
      p99: values("p99"),
    };
  }
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
