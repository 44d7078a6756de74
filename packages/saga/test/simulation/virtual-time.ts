import type { Random } from "./random.ts";

/** Something that will happen, unless it is cancelled. */
export interface Happening {
  readonly at: number;
  readonly tie: number;
  readonly run: () => void;
  cancelled: boolean;
}

/**
 * Time that passes only from one happening to the next; a binary heap. What happens at the same
 * time happens in random order.
 */
export class VirtualTime {
  now = 0;
  /** How many happenings there have been. */
  happened = 0;
  readonly #random: Random;
  readonly #heap: Happening[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  after(ms: number, run: () => void): Happening {
    const happening = { at: this.now + ms, tie: this.#random.next(), run, cancelled: false };
    this.#push(happening);
    return happening;
  }

  /**
   * The next thing happens, and everything that follows from it at once. False when nothing is
   * left.
   */
  async step(): Promise<boolean> {
    let next = this.#next();
    if (next === undefined) {
      // What was done from outside, since the last happening, may not have led to anything yet.
      await settled();
      next = this.#next();
    }
    if (next === undefined) return false;
    this.now = next.at;
    this.happened++;
    next.run();
    await settled();
    return true;
  }

  #next(): Happening | undefined {
    let next = this.#pop();
    while (next?.cancelled) next = this.#pop();
    return next;
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let index = heap.push(happening) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as Happening;
      if (!before(happening, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = happening;
  }

  #pop(): Happening | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let index = 0;
    for (let below = 1; below < heap.length; below = 2 * index + 1) {
      const right = heap[below + 1];
      if (right !== undefined && before(right, heap[below] as Happening)) below++;
      const child = heap[below] as Happening;
      if (!before(child, last)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
    return first;
  }
}

const before = (a: Happening, b: Happening): boolean =>
  a.at < b.at || (a.at === b.at && a.tie < b.tie);

/**
 * Node runs a tick only when no promise has anything left to do: then every chain of promises has
 * come to its next wait.
 */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
