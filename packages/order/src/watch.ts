import { setTimeout as sleep } from "node:timers/promises";
import type { Logger, Sql } from "@tercet/service";
import { changeMarks } from "./store.ts";

const POLL_MS = 250;

/**
 * Tells waiting calls that an order has changed: at once when it changed in this process, within a
 * quarter of a second when elsewhere.
 */
export interface OrderWatch {
  /** The order changed in this process. */
  notify(orderId: string): void;
  /** Resolves at the next change after `subscribe` was called, or when the signal aborts. */
  subscribe(orderId: string): Watching;
}

export interface Watching extends Disposable {
  /**
   * `mark` is that of the order as the caller knows it: what has changed since it was read counts
   * too.
   */
  changed(mark: string, signal: AbortSignal): Promise<void>;
}

interface Listener {
  /** Unknown while it does not wait. */
  mark: string | undefined;
  readonly notify: () => void;
}

/**
 * One query serves everybody who waits in this process, and none is sent while nobody does. The
 * database's own notifications are not used: they need a session to themselves and do not pass
 * through poolers.
 */
export function createOrderWatch(sql: Sql, log: Logger): OrderWatch & AsyncDisposable {
  const watched = new Map<string, Set<Listener>>();
  const stopping = new AbortController();
  let polling: Promise<void> | undefined;

  const notify = (orderId: string) => {
    for (const listener of watched.get(orderId) ?? []) listener.notify();
  };
  const look = async () => {
    for (const { id, mark } of await changeMarks(sql, [...watched.keys()]))
      for (const listener of watched.get(id) ?? [])
        if (listener.mark !== undefined && listener.mark !== mark) listener.notify();
  };
  const poll = async () => {
    while (watched.size > 0 && !stopping.signal.aborted) {
      await look().catch((error) =>
        log.warn({ err: error }, "waiting calls could not be told of changes"),
      );
      await sleep(POLL_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
    polling = undefined;
  };
  const subscribe = (orderId: string): Watching => {
    const listeners = watched.get(orderId) ?? new Set();
    watched.set(orderId, listeners);
    let dirty = false;
    let wake = () => {};
    const notify = () => {
      dirty = true;
      wake();
    };
    const listener: Listener = { mark: undefined, notify };
    listeners.add(listener);
    polling ??= poll();
    return {
      async changed(mark, signal) {
        if (!dirty && !signal.aborted) {
          const { promise, resolve } = Promise.withResolvers<void>();
          wake = resolve;
          listener.mark = mark;
          signal.addEventListener("abort", () => resolve(), { once: true });
          await promise;
          listener.mark = undefined;
        }
        dirty = false;
      },
      [Symbol.dispose]() {
        listeners.delete(listener);
        if (listeners.size === 0) watched.delete(orderId);
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
