import { describe, expect, test } from "vitest";
import { BulkheadFullError, FairBulkhead } from "./fair-bulkhead.ts";

const NEVER = new AbortController().signal;

/** Starts calls that end on request; `running` lists those in flight, oldest first. */
function calls(bulkhead: FairBulkhead) {
  const running: { name: string; end: () => void }[] = [];
  const start = (name: string, keys: string[], signal = NEVER) =>
    bulkhead.run(keys, signal, async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const call = { name, end: resolve };
      running.push(call);
      await promise;
      running.splice(running.indexOf(call), 1);
    });
  const names = () => running.map(({ name }) => name);
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const end = async (name: string) => {
    running.find((call) => call.name === name)?.end();
    await settle();
  };
  return { start, names, end, settle };
}

describe("a fair bulkhead", () => {
  test("keeps room for others while one key has more calls than its share", async () => {
    const bulkhead = new FairBulkhead({ maxInFlight: 4, maxQueued: 8, share: 1 / 2 });
    const { start, names, settle } = calls(bulkhead);
    for (const name of ["a1", "a2", "a3"]) void start(name, ["a"]);
    void start("b1", ["b"]);
    await settle();
    expect(names()).toEqual(["a1", "a2", "b1"]);
  });

  test("counts a call for each of its keys: one card of many customers has one share", async () => {
    const bulkhead = new FairBulkhead({ maxInFlight: 4, maxQueued: 8, share: 1 / 2 });
    const { start, names, end, settle } = calls(bulkhead);
    for (const customer of ["a", "b", "c"]) void start(customer, [customer, "card"]);
    void start("d", ["d", "other card"]);
    await settle();
    expect(names()).toEqual(["a", "b", "d"]);
    await end("a");
    expect(names()).toEqual(["b", "d", "c"]);
  });

  test("starts queued calls in turn by key", async () => {
    const bulkhead = new FairBulkhead({ maxInFlight: 1, maxQueued: 16, share: 1 });
    const { start, names, end, settle } = calls(bulkhead);
    for (const name of ["a1", "a2", "a3"]) void start(name, ["a"]);
    for (const name of ["b1", "b2"]) void start(name, ["b"]);
    void start("none", []);
    await settle();
    const order: string[] = [];
    while (names().length > 0) {
      const [name = ""] = names();
      order.push(name);
      await end(name);
    }
    expect(order).toEqual(["a1", "a2", "b1", "none", "a3", "b2"]);
  });

  test("refuses the calls of a key that has filled its share of the queue, and no others", async () => {
    const bulkhead = new FairBulkhead({ maxInFlight: 1, maxQueued: 4, share: 1 / 2 });
    const { start, end, settle } = calls(bulkhead);
    for (const name of ["a1", "a2", "a3"]) void start(name, ["a"]);
    await expect(start("a4", ["a"])).rejects.toThrow(BulkheadFullError);
    const other = start("b1", ["b"]);
    await settle();
    for (const name of ["a1", "a2", "b1", "a3"]) await end(name);
    await expect(other).resolves.toBeUndefined();
  });

  test("a queued call that its caller ends leaves its place to the next one", async () => {
    const bulkhead = new FairBulkhead({ maxInFlight: 1, maxQueued: 2, share: 1 });
    const { start, names, end, settle } = calls(bulkhead);
    const gone = new AbortController();
    void start("a1", ["a"]);
    const cancelled = start("a2", ["a"], gone.signal);
    void start("a3", ["a"]);
    gone.abort();
    await expect(cancelled).rejects.toThrow("cancelled");
    await end("a1");
    await settle();
    expect(names()).toEqual(["a3"]);
  });
});
