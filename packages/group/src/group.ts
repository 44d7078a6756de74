import { AsyncResource } from "node:async_hooks";

export interface GroupOptions<Item, Result> {
  /**
   * Applies the items in one atomic statement. Resolves to one result per item, in their order.
   */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  /**
   * What an item changes. Items with the same key are never in one group, and a group is sorted by
   * key, so that the statements of several processes lock rows in one order. By default, as for
   * reads, all items differ and keep the order in which they came.
   */
  readonly keyOf?: (item: Item) => string;
  /**
   * Returns whether this failure of a statement took nothing into effect. Its items are then run
   * alone, so that one bad item does not fail the others. After any other failure the outcome is
   * unknown, and all items of the group fail with it.
   */
  readonly isRolledBack: (error: unknown) => boolean;
  /**
   * Returns whether a result may be owed to the other items of the group, such as a lack of stock
   * that they too asked for. The item is then run alone. Never by default.
   */
  readonly depends?: (result: Result) => boolean;
  /** Items in one statement at most; 64 by default. */
  readonly maxItems?: number;
  /** How long a statement in flight holds the next one back at most; 50 by default. */
  readonly holdMs?: number;
  /**
   * Calls `run` after `ms`, unless the function that it returns is called before; a timer by
   * default.
   */
  readonly after?: (ms: number, run: () => void) => () => void;
}

const MAX_ITEMS = 64;
const HOLD_MS = 50;

/**
 * Returns a function that applies one item and resolves to its result. Items that come while a
 * statement is in flight wait for its end and go together as the next one. Nothing waits when
 * nothing is in flight, longer than `holdMs`, or for more than `maxItems`: what limits the number
 * of statements is the pool behind `run`.
 *
 * @example
 *   const settle = grouped({
 *     run: (payments) => settlePayments(sql, payments),
 *     keyOf: (payment) => payment.id,
 *     isRolledBack,
 *   });
 *   await settle(payment);
 */
export function grouped<Item, Result>(
  options: GroupOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  const groups = new Groups(options);
  return (item) => groups.apply(item);
}

/** An item that waits for its group, or for its result. */
interface Entry<Item, Result> {
  readonly item: Item;
  /** Undefined: different from every other. */
  readonly key: string | undefined;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
  /** The context of the item's caller: its trace, its log fields. */
  readonly context: AsyncResource;
}

class Groups<Item, Result> {
  readonly #options: GroupOptions<Item, Result>;
  readonly #maxItems: number;
  readonly #waiting: Entry<Item, Result>[] = [];
  /** The statement for which others wait; undefined if nothing holds them back. */
  #holding: object | undefined;

  constructor(options: GroupOptions<Item, Result>) {
    this.#options = options;
    this.#maxItems = options.maxItems ?? MAX_ITEMS;
  }

  apply(item: Item): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const key = this.#options.keyOf?.(item);
    // `AsyncLocalStorage.snapshot` does the same by a new function, which takes longer.
    this.#waiting.push({ item, key, resolve, reject, context: new AsyncResource("grouped") });
    if (this.#holding === undefined || this.#waiting.length >= this.#maxItems) this.#next();
    return promise;
  }

  #next(): void {
    const group = this.#take();
    const [first] = group;
    if (first === undefined) return;
    const { holdMs = HOLD_MS, after = timer } = this.#options;
    const statement = {};
    this.#holding = statement;
    const release = () => {
      cancel();
      if (this.#holding !== statement) return;
      this.#holding = undefined;
      this.#next();
    };
    const cancel = after(holdMs, release);
    void first.context.runInAsyncScope(() => this.#run(group, release));
  }

  /** Takes the next group from those that wait: no key twice, sorted. */
  #take(): Entry<Item, Result>[] {
    const taken: Entry<Item, Result>[] = [];
    const keys = new Set<string>();
    const left = this.#waiting.splice(0).filter((entry) => {
      const { key } = entry;
      if (taken.length >= this.#maxItems || (key !== undefined && keys.has(key))) return true;
      if (key !== undefined) keys.add(key);
      taken.push(entry);
      return false;
    });
    this.#waiting.push(...left);
    return taken.sort(({ key: a = "" }, { key: b = "" }) => (a < b ? -1 : a > b ? 1 : 0));
  }

  /** Never rejects. `release` lets the next group begin. */
  async #run(group: readonly Entry<Item, Result>[], release: () => void): Promise<void> {
    const { run, isRolledBack, depends = () => false } = this.#options;
    const alone: Entry<Item, Result>[] = [];
    try {
      const results = await run(group.map(({ item }) => item));
      if (results.length !== group.length) throw new Error("a group needs one result per item");
      for (const [index, entry] of group.entries()) {
        const result = results[index] as Result;
        if (group.length > 1 && depends(result)) alone.push(entry);
        else entry.resolve(result);
      }
    } catch (error) {
      if (group.length > 1 && isRolledBack(error)) alone.push(...group);
      else for (const { reject } of group) reject(error);
    }
    release();
    for (const entry of alone)
      void entry.context.runInAsyncScope(() => this.#run([entry], () => {}));
  }
}

function timer(ms: number, run: () => void): () => void {
  const timeout = setTimeout(run, ms);
  return () => clearTimeout(timeout);
}
