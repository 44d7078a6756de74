import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@tercet/service";
import type { OrderStore } from "./store.ts";

const POLL_MS = 250;

/**
 * Notifies waiting calls that an order changed: at once if it changed in this process, within a
 * quarter of a second if in another.
 */
export interface OrderChanges extends AsyncDisposable {
  /** Call it after an order changed in this process. */
  publish(orderId: string): void;
  subscribe(orderId: string): Subscription;
}

export interface Subscription extends Disposable {
  /**
   * Resolves once the order differs from `version`, at the next change that is published, or when
   * the signal aborts.
   */
  changed(version: string, signal: AbortSignal): Promise<void>;
}

interface Listener {
  /** Undefined while the listener does not wait. */
  version: string | undefined;
  readonly notify: () => void;
}

/**
 * One query per poll serves all waiting calls of this process; none is sent when no call waits.
 * LISTEN/NOTIFY is not used: it needs a session of its own and does not pass through poolers.
 */
export function createOrderChanges(
  store: Pick<OrderStore, "listVersions">,
  log: Logger,
): OrderChanges {
  const subscribed = new Map<string, Set<Listener>>();
  const stopping = new AbortController();
  let polling: Promise<void> | undefined;

  const readVersions = async () => {
    for (const { id, version } of await store.listVersions([...subscribed.keys()]))
      for (const listener of subscribed.get(id) ?? [])
        if (listener.version !== undefined && listener.version !== version) listener.notify();
  };
  const poll = async () => {
    // Most calls that wait are notified by this process, before the first poll.
    for (;;) {
      await sleep(POLL_MS, undefined, { signal: stopping.signal }).catch(() => {});
      if (subscribed.size === 0 || stopping.signal.aborted) break;
      await readVersions().catch((error) =>
        log.warn({ event: "order_poll_failed", err: error }, "changes of orders could not be read"),
      );
    }
    polling = undefined;
  };
  return {
    publish(orderId) {
      for (const listener of subscribed.get(orderId) ?? []) listener.notify();
    },
    subscribe(orderId) {
      const listeners = subscribed.get(orderId) ?? new Set();
      subscribed.set(orderId, listeners);
      let dirty = false;
      let wake = () => {};
      const notify = () => {
        dirty = true;
        wake();
      };
      const listener: Listener = { version: undefined, notify };
      listeners.add(listener);
      polling ??= poll();
      return {
        async changed(version, signal) {
          if (!dirty && !signal.aborted) {
            const { promise, resolve } = Promise.withResolvers<void>();
            wake = resolve;
            listener.version = version;
            signal.addEventListener("abort", () => resolve(), { once: true });
            await promise;
            listener.version = undefined;
          }
          dirty = false;
        },
        [Symbol.dispose]() {
          listeners.delete(listener);
          if (listeners.size === 0) subscribed.delete(orderId);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await polling;
    },
  };
}
