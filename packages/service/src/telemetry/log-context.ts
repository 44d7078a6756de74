import { AsyncLocalStorage } from "node:async_hooks";

/** Fields of every log line written during some work. */
export interface LogContext {
  readonly correlationId?: string | undefined;
  readonly orderId?: string | undefined;
}

const storage = new AsyncLocalStorage<LogContext>();

/** Runs the work in the present context with these fields added; undefined removes a field. */
export const withLogContext = <T>(fields: LogContext, work: () => T): T =>
  storage.run({ ...storage.getStore(), ...fields }, work);

/** Returns the present context. */
export const logContext = (): LogContext => storage.getStore() ?? {};

/** Adds fields to the present context, also for the caller's log lines; without one, no effect. */
export function noteLogContext(fields: LogContext): void {
  Object.assign(storage.getStore() ?? {}, fields);
}

/** Produces the messages of a stream in the present context, whatever context reads them. */
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
