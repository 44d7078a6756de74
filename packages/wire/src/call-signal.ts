import { Code, ConnectError } from "@connectrpc/connect";

/** The reason of the signal of a call that is over: making one for each call takes longer. */
const OVER = new ConnectError("the call is over", Code.Canceled);

const timedOut = () => new ConnectError("the operation timed out", Code.DeadlineExceeded);

/**
 * Returns a function that names the failure of a call that begins now. gRPC's servers cancel a call
 * at its deadline, and may be quicker than a timer of ours: `canceled` is then `deadline_exceeded`.
 */
export function failureOf(timeoutMs: number | undefined): (error: unknown) => ConnectError {
  const endsAt = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  return (error) => {
    const failure = ConnectError.from(error);
    const isLate = failure.code === Code.Canceled && performance.now() >= endsAt;
    return isLate ? timedOut() : failure;
  };
}

/** The signal of a client's call: aborts with the caller's own, at the deadline, or at the end. */
export class CallSignal {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #failureOf: (error: unknown) => ConnectError;
  readonly #follow = (): void => this.#end(this.#caller?.reason);

  constructor(caller: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#caller = caller;
    this.#failureOf = failureOf(timeoutMs);
    if (caller?.aborted) this.#follow();
    else caller?.addEventListener("abort", this.#follow, { once: true });
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#end(timedOut()), timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Call it when the call has ended well. */
  over(): void {
    this.#end(OVER);
  }

  /** Returns the error of a call that failed: why it was aborted if it was. */
  failed(error: unknown): ConnectError {
    const { signal } = this;
    const failure = signal.aborted
      ? ConnectError.from(signal.reason, Code.Canceled)
      : this.#failureOf(error);
    this.#end(failure);
    return failure;
  }

  #end(reason: unknown): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#follow);
    if (!this.signal.aborted) this.#controller.abort(reason);
  }
}
