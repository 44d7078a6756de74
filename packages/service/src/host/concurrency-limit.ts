export interface ConcurrencyOptions {
  readonly initial: number;
  readonly min: number;
  readonly max: number;
}

/** Work may be as late as this; above, there is more than can be done. */
const TARGET_DELAY_MS = 20;
/** One late window may be a start, or code that runs for the first time. */
const LATE_WINDOWS = 2;
/**
 * In each window, down from the calls that work, since the limit may be far above: by as much as
 * work is too late, within these bounds.
 */
const DECREASE = 0.8;
const STEEP_DECREASE = 0.5;
const INCREASE = 1.1;
/**
 * A call keeps its place for this time and the rest of a window, and on while work is late. Later
 * it does not work, it waits: for a bank, for a body, for the next change of what it watches.
 */
const WORK_MS = 500;
/** At least this may a call wait for its place, however short calls are. */
const MIN_PATIENCE_MS = 10;
/** Of the mean of how long calls work; more would be a second queue. */
const PATIENCE = 1 / 4;
/** Above half of the limit, one caller may have this part of it, and one without a token less. */
const CALLER_SHARE = 1 / 4;
const ANONYMOUS_SHARE = 3 / 4;
/** Of the moving mean of how long calls work. */
const WEIGHT = 0.05;
/** A call that asks for a place. */
export interface Applicant {
  /** Whose call it is. */
  readonly caller: string;
  /** Without a valid token that was seen before. Known callers go first. */
  readonly anonymous: boolean;
  /** Milliseconds until its deadline; undefined if it has none. */
  readonly leftMs: number | undefined;
}

/** Gives a place back, because the call has ended; only the first call counts. */
export type Leave = () => void;

/** A call that has a place. */
interface Working {
  readonly caller: string;
  readonly startedAt: number;
}

interface Waiting {
  readonly applicant: Applicant;
  readonly start: (leave: Leave) => void;
}

/**
 * Limits how many calls work at once, to as many as the process keeps up with: the limit falls
 * while work is late, grows while it is not and the limit is used, and returns to where it began
 * while it is not used. A call above the limit is queued if it will be served in time, by the mean
 * of those before it; else it is refused at once.
 */
export class ConcurrencyLimit {
  readonly #options: ConcurrencyOptions;
  readonly #byCaller = new Map<string, number>();
  readonly #queue = new Set<Waiting>();
  /** In the order in which they started. */
  readonly #working = new Set<Working>();
  #limit: number;
  /** In a row. */
  #lateWindows = 0;
  /** In this window. */
  #mostWorking = 0;
  #meanMs = MIN_PATIENCE_MS;
  constructor(options: ConcurrencyOptions) {
    this.#options = options;
    this.#limit = options.initial;
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Whether no call has a place or waits for one, and the limit is not above where it began. */
  get isResting(): boolean {
    const isUsed = this.#working.size > 0 || this.#queue.size > 0;
    return !isUsed && this.#lateWindows === 0 && this.#limit <= this.#options.initial;
  }

  /** Call it with how late work is, several times a second unless `isResting`. */
  adapt(delayMs: number): void {
    const { initial, min, max } = this.#options;
    const excess = delayMs / TARGET_DELAY_MS;
    this.#lateWindows = excess > 1 ? this.#lateWindows + 1 : 0;
    if (this.#lateWindows >= LATE_WINDOWS) {
      const factor = Math.max(STEEP_DECREASE, Math.min(DECREASE, 1 / excess));
      // So few are not why work is late: the process starts, or its machine is busy.
      if (this.#mostWorking >= min)
        this.#limit = Math.max(min, Math.min(this.#limit, this.#mostWorking) * factor);
    } else if (this.#mostWorking >= this.#limit / 2) {
      if (excess <= 1) this.#limit = Math.min(max, this.#limit * INCREASE);
    } else if (this.#mostWorking < this.#limit / 4 && this.#limit > initial)
      this.#limit = Math.max(initial, this.#limit / INCREASE);
    if (this.#lateWindows === 0) this.#endOverdue();
    this.#mostWorking = this.#working.size;
    this.#startWaiting();
  }

  /** Counts a call that must not be refused. */
  enter(caller: string): Leave {
    return this.#start(caller);
  }

  /**
   * Calls `start` once there is a place: at once, and returns "started", or later, and returns a
   * function that ends the wait. Returns "refused" if the call could not be served in time.
   */
  apply(applicant: Applicant, start: (leave: Leave) => void): "started" | "refused" | (() => void) {
    if (this.#queue.size === 0 && this.#hasPlace(applicant)) {
      start(this.#start(applicant.caller));
      return "started";
    }
    const waitMs = ((this.#queue.size + 1) / this.#limit) * this.#meanMs;
    const patienceMs = Math.max(MIN_PATIENCE_MS, this.#meanMs * PATIENCE);
    const tooLate = applicant.leftMs !== undefined && waitMs + this.#meanMs > applicant.leftMs;
    if (waitMs > patienceMs || tooLate || this.#exceedsShare(applicant)) return "refused";
    const waiting = { applicant, start };
    this.#queue.add(waiting);
    return () => void this.#queue.delete(waiting);
  }

  #hasPlace(applicant: Applicant): boolean {
    return this.#working.size < this.#limit && !this.#exceedsShare(applicant);
  }

  /** Shares are for when places are short. */
  #exceedsShare({ caller, anonymous }: Applicant): boolean {
    if (this.#working.size < this.#limit / 2) return false;
    if (anonymous && this.#working.size >= this.#limit * ANONYMOUS_SHARE) return true;
    return (this.#byCaller.get(caller) ?? 0) >= Math.max(1, this.#limit * CALLER_SHARE);
  }

  #start(caller: string): Leave {
    const call = { caller, startedAt: performance.now() };
    this.#working.add(call);
    this.#mostWorking = Math.max(this.#mostWorking, this.#working.size);
    this.#byCaller.set(caller, (this.#byCaller.get(caller) ?? 0) + 1);
    return () => {
      if (this.#end(call)) this.#startWaiting();
    };
  }

  /** Takes back the places of calls that have had one for too long. */
  #endOverdue(): void {
    const before = performance.now() - WORK_MS;
    for (const call of this.#working) {
      if (call.startedAt > before) return;
      this.#end(call);
    }
  }

  /** Returns whether the call still had its place. */
  #end(call: Working): boolean {
    if (!this.#working.delete(call)) return false;
    const { caller, startedAt } = call;
    const workedMs = Math.min(WORK_MS, performance.now() - startedAt);
    this.#meanMs += (workedMs - this.#meanMs) * WEIGHT;
    const others = (this.#byCaller.get(caller) ?? 1) - 1;
    if (others === 0) this.#byCaller.delete(caller);
    else this.#byCaller.set(caller, others);
    return true;
  }

  #startWaiting(): void {
    for (const waiting of this.#queue) {
      if (this.#working.size >= this.#limit) return;
      if (!this.#hasPlace(waiting.applicant)) continue;
      this.#queue.delete(waiting);
      waiting.start(this.#start(waiting.applicant.caller));
    }
  }
}
