import { AsyncLocalStorage } from "node:async_hooks";

/** What every line of the log says while this work is done. */
export interface LogContext {
  readonly correlationId?: string;
  readonly orderId?: string;
}

const storage = new AsyncLocalStorage<LogContext>();

/** Does the work with these fields added to those that are there. */
export const withLogContext = <T>(fields: LogContext, work: () => T): T => storage.run({ ...storage.getStore(), ...fields }, work);

export const logContext = (): LogContext => storage.getStore() ?? {};
