import { expect, test } from "vitest";
import { keepHouse, sweepAll } from "./housekeeping.ts";
import { memoryStore } from "./memory-store.ts";
import { capturedLog } from "./testing.ts";

const limits = { batch: 2, requestAge: 0, failureAge: 0 };
const harmless = { free: 2, firstDelay: 0, maxDelay: 0, window: 60_000 };

test("a sweep goes on, batch by batch, until nothing is left", async () => {
  const store = memoryStore();
  for (let n = 0; n < 7; n++) await store.admitLogin(`account ${n}`, harmless);
  await sweepAll(store, new AbortController().signal, limits);
  expect(await store.sweep({ ...limits, batch: 1 })).toBe(false);
});

test("a sweep stops when the service stops", async () => {
  const store = memoryStore();
  await store.admitLogin("account", harmless);
  await sweepAll(store, AbortSignal.abort(), limits);
  expect(await store.sweep({ ...limits, batch: 1 })).toBe(true);
});

test("housekeeping ends when the service stops", async () => {
  const stop = new AbortController();
  const done = keepHouse(memoryStore(), capturedLog().log, stop.signal);
  stop.abort();
  await expect(done).resolves.toBeUndefined();
});
