import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { type GroupOptions, grouped } from "./group.ts";

class RolledBack extends Error {}

interface Item {
  readonly key: string;
  readonly wants?: number;
}

/** A statement that ends when the test says so. */
interface Statement {
  readonly keys: readonly string[];
  /** Resolves to the items' keys. */
  succeed(): void;
  fail(error: Error): void;
}

/** Groups whose statements the test ends, one after another. */
function manual(options: Partial<GroupOptions<Item, string>> = {}) {
  const statements: Statement[] = [];
  const timers: (() => void)[] = [];
  const apply = grouped<Item, string>({
    run(items) {
      const { promise, resolve, reject } = Promise.withResolvers<string[]>();
      const keys = items.map(({ key }) => key);
      statements.push({ keys, succeed: () => resolve(keys), fail: reject });
      return promise;
    },
    keyOf: ({ key }) => key,
    isRolledBack: (error) => error instanceof RolledBack,
    after: (_ms, run) => {
      timers.push(run);
      return () => {};
    },
    ...options,
  });
  const sent = () => statements.map(({ keys }) => keys.join(""));
  return { apply: (key: string) => apply({ key }), statements, timers, sent };
}

test("nothing waits when nothing is in flight", () => {
  const { apply, sent } = manual();
  void apply("a");
  expect(sent()).toEqual(["a"]);
});

test("what waits while a statement is in flight goes together, in the order of its keys", async () => {
  const { apply, statements, sent } = manual();
  const all = ["x", "c", "a", "b"].map(apply);
  expect(sent()).toEqual(["x"]);
  statements[0]?.succeed();
  await turn();
  expect(sent()).toEqual(["x", "abc"]);
  statements[1]?.succeed();
  expect(await Promise.all(all)).toEqual(["x", "c", "a", "b"]);
});

test("items with the same key are never in one group", async () => {
  const { apply, statements, sent } = manual();
  for (const key of ["x", "a", "a", "b"]) void apply(key);
  for (const n of [0, 1]) {
    statements[n]?.succeed();
    await turn();
  }
  expect(sent()).toEqual(["x", "ab", "a"]);
});

test("without keys, equal items share a group, in the order in which they came", async () => {
  const sizes: string[] = [];
  const read = grouped<string, string>({
    async run(items) {
      sizes.push(items.join(""));
      await turn();
      return items;
    },
    isRolledBack: () => false,
  });
  expect(await Promise.all(["x", "b", "a", "b"].map(read))).toEqual(["x", "b", "a", "b"]);
  expect(sizes).toEqual(["x", "bab"]);
});

test("a group has a bound, and a full one does not wait", () => {
  const { apply, sent } = manual({ maxItems: 2 });
  for (const key of ["x", "a", "b", "c", "d", "e"]) void apply(key);
  expect(sent()).toEqual(["x", "ab", "cd"]);
});

test("a slow statement holds others back only for a while", async () => {
  const { apply, statements, timers, sent } = manual();
  for (const key of ["x", "a", "b"]) void apply(key);
  timers[0]?.();
  expect(sent()).toEqual(["x", "ab"]);
  void apply("c");
  // The end of the slow one does not end the hold of the next.
  statements[0]?.succeed();
  await turn();
  expect(sent()).toEqual(["x", "ab"]);
  statements[1]?.succeed();
  await turn();
  expect(sent()).toEqual(["x", "ab", "c"]);
});

test("one bad item fails alone: its neighbours are run again, each by itself", async () => {
  const { apply, statements, sent } = manual();
  const all = ["x", "a", "b", "c"].map(apply);
  statements[0]?.succeed();
  await turn();
  statements[1]?.fail(new RolledBack());
  await turn();
  expect(sent()).toEqual(["x", "abc", "a", "b", "c"]);
  statements[2]?.succeed();
  statements[3]?.fail(new RolledBack("bad"));
  statements[4]?.succeed();
  const outcomes = await Promise.allSettled(all);
  expect(outcomes.map(({ status }) => status)).toEqual([
    "fulfilled",
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
});

test("when the outcome of a statement is unknown, it is not run again: its items fail", async () => {
  const { apply, statements, sent } = manual();
  const all = ["x", "a", "b"].map(apply);
  statements[0]?.succeed();
  await turn();
  statements[1]?.fail(new Error("connection lost"));
  expect((await Promise.allSettled(all)).map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "rejected",
  ]);
  expect(sent()).toEqual(["x", "ab"]);
  void apply("c");
  expect(sent()).toEqual(["x", "ab", "c"]);
});

test("a result that depends on the others of the group is asked for alone", async () => {
  let stock = 5;
  const calls: string[] = [];
  // Takes in turn, as `confirmOrders` does: what is refused is counted nevertheless.
  const take = grouped<Item, string>({
    async run(items) {
      calls.push(items.map(({ key }) => key).join(""));
      await turn();
      let needed = 0;
      return items.map(({ wants = 0 }) => {
        needed += wants;
        if (needed > stock) return "refused";
        stock -= wants;
        needed -= wants;
        return "taken";
      });
    },
    keyOf: ({ key }) => key,
    isRolledBack: () => false,
    depends: (result) => result === "refused",
  });
  const all = [
    { key: "w", wants: 0 },
    { key: "a", wants: 9 },
    { key: "b", wants: 2 },
  ].map(take);
  expect(await Promise.all(all)).toEqual(["taken", "refused", "taken"]);
  expect(calls).toEqual(["w", "ab", "a", "b"]);
});

test("a group runs in the context of one of its callers, and each caller keeps its own", async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const apply = grouped<string, string>({
    async run(items) {
      seen.push(context.getStore());
      await turn();
      return items;
    },
    keyOf: (key) => key,
    isRolledBack: () => false,
  });
  const call = (name: string) =>
    context.run(name, async () => {
      await apply(name);
      return context.getStore();
    });
  expect(await Promise.all(["first", "second", "third"].map(call))).toEqual([
    "first",
    "second",
    "third",
  ]);
  expect(seen).toEqual(["first", "second"]);
});

test("the timer of a statement that has ended is cleared", async () => {
  vi.useFakeTimers();
  try {
    const apply = grouped<string, string>({
      run: async (items) => items,
      keyOf: (key) => key,
      isRolledBack: () => false,
    });
    await apply("a");
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
