import { Code, ConnectError } from "@connectrpc/connect";

/**
 * What an aborted signal says, as an error of a call: its own reason when that is one, else that
 * the caller has gone.
 */
const abortError = (signal: AbortSignal): ConnectError =>
  signal.reason instanceof ConnectError
    ? signal.reason
    : new ConnectError("the call was cancelled", Code.Canceled);

/** A signal that its owner disposes of when nobody waits by it any more. */
export interface TimedSignal extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Aborts with `signal`, which belongs to one call, or after so many milliseconds with what `reason`
 * gives; never by itself when `timeoutMs` is undefined. As `AbortSignal.any` of the signal and a
 * timeout, at a fifth of what those cost, and without a timer left behind.
 */
export function withTimeout(
  signal: AbortSignal,
  timeoutMs: number | undefined,
  reason?: () => unknown,
): TimedSignal {
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  if (signal.aborted) follow();
  else signal.addEventListener("abort", follow, { once: true });
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => controller.abort(reason?.()), timeoutMs);
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}

/**
 * The result, or a rejection as soon as the signal aborts; the loser of the race is left to itself.
 */
export async function untilAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(abortError(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([result, aborted]);
  } catch (error) {
    // Whoever listens to the signal may have failed because of it, a moment before this noticed.
    throw signal.aborted ? abortError(signal) : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** The messages, until the signal aborts; their source is then told to stop, and not waited for. */
export async function* messagesUntilAborted<T>(
  messages: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncIterable<T> {
  const source = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const step = await untilAborted(source.next(), signal);
      if (step.done) return;
      yield step.value;
    }
  } finally {
    source.return?.().catch(() => {});
  }
}
