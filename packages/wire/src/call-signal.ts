import { Code, ConnectError } from "@connectrpc/connect";

/** The reason of the signal of a call that is over: making one for each call takes longer. */
const OVER = new ConnectError("the call is over", Code.Canceled);

/** The signal of a client's call: aborts with the caller's own, at the deadline, or at the end. */
export class CallSignal {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #follow = (): void => this.#end(this.#caller?.reason);

  constructor(caller: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#caller = caller;
    if (caller?.aborted) this.#follow();
    else caller?.addEventListener("abort", this.#follow, { once: true });
    if (timeoutMs !== undefined)
      this.#timer = setTimeout(
        () => this.#end(new ConnectError("the operation timed out", Code.DeadlineExceeded)),
        timeoutMs,
      );
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
      : ConnectError.from(error);
    this.#end(failure);
    return failure;
  }

  #end(reason: unknown): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#follow);
    if (!this.signal.aborted) this.#controller.abort(reason);
  }
}
