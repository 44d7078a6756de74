import { untilAborted } from "../abort.ts";

export interface FairBulkheadOptions {
  /** Calls that run at once. */
  readonly maxInFlight: number;
  /** Calls that wait; more are refused at once. */
  readonly maxQueued: number;
  /** The part of both that one key may use. */
  readonly share: number;
}

/** The call was not made: its queue is full. */
export class BulkheadFullError extends Error {
  override readonly name = "BulkheadFullError";
}

interface Waiting {
  readonly keys: readonly string[];
  readonly start: () => void;
}

/**
 * Bounds the calls in flight, in all and for each key that a call serves. Calls that wait are
 * started in turn by their first key, so that a key with many calls does not delay one with few.
 * Calls without a key have no bound but the common one.
 */
export class FairBulkhead {
  readonly #options: FairBulkheadOptions;
  readonly #maxPerKey: number;
  readonly #maxQueuedPerKey: number;
  readonly #running = new Map<string, number>();
  /** By first key; the key that was served last is last. */
  readonly #queues = new Map<string, Set<Waiting>>();
  #inFlight = 0;
  #queued = 0;

  constructor(options: FairBulkheadOptions) {
    this.#options = options;
    this.#maxPerKey = Math.max(1, Math.floor(options.maxInFlight * options.share));
    this.#maxQueuedPerKey = Math.max(1, Math.floor(options.maxQueued * options.share));
  }

  /**
   * Runs the call once there is room; until then it ends with `signal`. Throws BulkheadFullError.
   */
  async run<T>(keys: readonly string[], signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    if (this.#mayStart(keys)) this.#start(keys);
    else await this.#wait(keys, signal);
    try {
      return await call();
    } finally {
      this.#end(keys);
    }
  }

  #mayStart(keys: readonly string[]): boolean {
    return (
      this.#inFlight < this.#options.maxInFlight &&
      keys.every((key) => (this.#running.get(key) ?? 0) < this.#maxPerKey)
    );
  }

  #start(keys: readonly string[]): void {
    this.#inFlight++;
    for (const key of keys) this.#running.set(key, (this.#running.get(key) ?? 0) + 1);
  }

  async #wait(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const [key] = keys;
    const queue = this.#queues.get(key ?? "") ?? new Set<Waiting>();
    const full = key !== undefined && queue.size >= this.#maxQueuedPerKey;
    if (full || this.#queued >= this.#options.maxQueued)
      throw new BulkheadFullError("too many calls are in flight and queued");
    const { promise: started, resolve } = Promise.withResolvers<void>();
    const waiting = { keys, start: resolve };
    this.#queues.set(key ?? "", queue.add(waiting));
    this.#queued++;
    try {
      await untilAborted(started, signal);
    } catch (error) {
      if (queue.has(waiting)) this.#leave(queue, waiting);
      // It was started in the same turn as its signal aborted.
      else this.#end(keys);
      throw error;
    }
  }

  #leave(queue: Set<Waiting>, waiting: Waiting): void {
    queue.delete(waiting);
    this.#queued--;
    const key = waiting.keys[0] ?? "";
    if (queue.size === 0 && this.#queues.get(key) === queue) this.#queues.delete(key);
  }

  #end(keys: readonly string[]): void {
    this.#inFlight--;
    for (const key of keys) {
      const left = (this.#running.get(key) ?? 1) - 1;
      if (left === 0) this.#running.delete(key);
      else this.#running.set(key, left);
    }
    while (this.#startNext());
  }

  /** Starts the next call that may start; false if none may. */
  #startNext(): boolean {
    for (const [key, queue] of this.#queues)
      for (const waiting of queue) {
        if (!this.#mayStart(waiting.keys)) continue;
        this.#leave(queue, waiting);
        // Behind all other keys.
        if (this.#queues.delete(key)) this.#queues.set(key, queue);
        this.#start(waiting.keys);
        waiting.start();
        return true;
      }
    return false;
  }
}
