import { setTimeout as sleep } from "node:timers/promises";
import type { Logger, Sql } from "@tercet/service";
import { changeMarks } from "./store.ts";

const POLL_MS = 250;

/** Tells waiting calls that an order has changed: at once when it changed in this process, within a quarter of a second when elsewhere. */
export interface OrderWatch {
  /** The order changed in this process. */
  notify(orderId: string): void;
  /** Resolves at the next change after `subscribe` was called, or when the signal aborts. */
  subscribe(orderId: string): Watching;
}

export interface Watching extends Disposable {
  changed(signal: AbortSignal): Promise<void>;
}

/**
 * One query serves everybody who waits in this process, and none is sent while nobody does. The database's own notifications are not used:
 * they need a session to themselves and do not pass through poolers.
 */
export function createOrderWatch(sql: Sql, log: Logger): OrderWatch & AsyncDisposable {
  const watched = new Map<string, { listeners: Set<() => void>; mark: string | undefined }>();
  const stopping = new AbortController();
  let polling: Promise<void> | undefined;

  const notify = (orderId: string) => {
    for (const listener of watched.get(orderId)?.listeners ?? []) listener();
  };
  const look = async () => {
    for (const { id, mark } of await changeMarks(sql, [...watched.keys()])) {
      const entry = watched.get(id);
      if (entry === undefined || entry.mark === mark) continue;
      if (entry.mark !== undefined) notify(id);
      entry.mark = mark;
    }
  };
  const poll = async () => {
    while (watched.size > 0 && !stopping.signal.aborted) {
      await look().catch((error) => log.warn({ err: error }, "waiting calls could not be told of changes"));
      await sleep(POLL_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
    polling = undefined;
  };
  const subscribe = (orderId: string): Watching => {
    const entry = watched.get(orderId) ?? { listeners: new Set(), mark: undefined };
    watched.set(orderId, entry);
    let dirty = false;
    let wake = () => {};
    const listener = () => {
      dirty = true;
      wake();
    };
    entry.listeners.add(listener);
    polling ??= poll();
    return {
      async changed(signal) {
        if (!dirty && !signal.aborted) {
          const { promise, resolve } = Promise.withResolvers<void>();
          wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
          await promise;
        }
        dirty = false;
      },
      [Symbol.dispose]() {
        entry.listeners.delete(listener);
        if (entry.listeners.size === 0) watched.delete(orderId);
      },
    };
  };
  return {
    notify,
    subscribe,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await polling;
    },
  };
}
