import type { Random } from "./random.ts";

/** Something that will happen unless it is cancelled. */
export interface VirtualEvent {
  readonly at: number;
  readonly tie: number;
  readonly run: () => void;
  cancelled: boolean;
}

/**
 * Time that passes only from one event to the next; a binary heap. Events of the same time happen
 * in random order.
 */
export class VirtualTime {
  now = 0;
  /** How many events have happened. */
  events = 0;
  readonly #random: Random;
  readonly #heap: VirtualEvent[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  after(ms: number, run: () => void): VirtualEvent {
    const event = { at: this.now + ms, tie: this.#random.next(), run, cancelled: false };
    this.#push(event);
    return event;
  }

  /** Runs the next event, and what follows from it immediately. False when no event is left. */
  async step(): Promise<boolean> {
    let next = this.#next();
    if (next === undefined) {
      // What was called from outside since the last event may still be in the queue of promises.
      await settled();
      next = this.#next();
    }
    if (next === undefined) return false;
    this.now = next.at;
    this.events++;
    next.run();
    await settled();
    return true;
  }

  #next(): VirtualEvent | undefined {
    let next = this.#pop();
    while (next?.cancelled) next = this.#pop();
    return next;
  }

  #push(event: VirtualEvent): void {
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as VirtualEvent;
      if (!before(event, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = event;
  }

  #pop(): VirtualEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let index = 0;
    for (let below = 1; below < heap.length; below = 2 * index + 1) {
      const right = heap[below + 1];
      if (right !== undefined && before(right, heap[below] as VirtualEvent)) below++;
      const child = heap[below] as VirtualEvent;
      if (!before(child, last)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
    return first;
  }
}

const before = (a: VirtualEvent, b: VirtualEvent): boolean =>
  a.at < b.at || (a.at === b.at && a.tie < b.tie);

/** Node runs a tick once its queue of promises is empty: every chain has reached its next wait. */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
