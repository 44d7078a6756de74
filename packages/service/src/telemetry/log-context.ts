import { AsyncLocalStorage } from "node:async_hooks";

/** What every log line written in the course of some work says of it. */
export interface LogContext {
  readonly correlationId?: string | undefined;
  readonly orderId?: string | undefined;
}

const storage = new AsyncLocalStorage<LogContext>();

/**
 * Does the work, and whatever it begins, in a context of its own: the present one with these fields
 * over it. An undefined field takes one away.
 */
export const withLogContext = <T>(fields: LogContext, work: () => T): T =>
  storage.run({ ...storage.getStore(), ...fields }, work);

/** The context of the work that asks. */
export const logContext = (): LogContext => storage.getStore() ?? {};

/**
 * Tells what the work under way turned out to be about, also for the lines of those who began it.
 * Outside of any context it does nothing.
 */
export function noteLogContext(fields: LogContext): void {
  Object.assign(storage.getStore() ?? {}, fields);
}

/**
 * The messages of a stream are made when they are asked for, by somebody who stands outside: this
 * takes the context of now along.
 */
export function inPresentContext<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  const ended = { done: true as const, value: undefined };
  const enter = AsyncLocalStorage.snapshot();
  return {
    [Symbol.asyncIterator]() {
      const iterator = enter(() => messages[Symbol.asyncIterator]());
      return {
        next: () => enter(() => iterator.next()),
        return: (value?: unknown) => enter(async () => (await iterator.return?.(value)) ?? ended),
        throw: (error?: unknown) => enter(async () => (await iterator.throw?.(error)) ?? ended),
      };
    },
  };
}
