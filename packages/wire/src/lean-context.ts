import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type HandlerContext } from "@connectrpc/connect";
import { type Form, type NodeRequest, type PlainRequest, urlOf } from "./form.ts";
import { LazyHeaders } from "./lazy-headers.ts";
import { grpcStatusOk } from "./protocol.ts";

/** Why a call ends before its result: an error to respond with, or the caller has left. */
const gone = () => new ConnectError("the call was cancelled", Code.Canceled);

/**
 * The context of a call, whose headers, trailers, URL and signal are built when they are first
 * used. Its behaviour is that of the context that Connect's handlers create.
 */
export class LeanContext implements HandlerContext {
  readonly method: DescMethod;
  readonly service: DescService;
  readonly requestMethod = "POST";
  readonly protocolName: Form["protocol"]["name"];
  readonly values: ContextValues;
  readonly #request: NodeRequest;
  readonly #contentType: string;
  readonly #deadline: number | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: LazyHeaders | undefined;
  #responseTrailer: Headers | undefined;
  #controller: AbortController | undefined;
  #reject: ((reason: unknown) => void) | undefined;
  /** Why the call has ended; undefined while it runs. */
  #ended: { readonly reason: unknown } | undefined;

  constructor(
    method: DescMethod,
    request: NodeRequest,
    { form, timeoutMs }: PlainRequest,
    values: ContextValues,
  ) {
    this.method = method;
    this.service = method.parent;
    this.protocolName = form.protocol.name;
    this.values = values;
    this.#request = request;
    this.#contentType = form.contentType;
    this.#deadline = timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
  }

  get url(): string {
    return urlOf(this.#request);
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= new LazyHeaders(this.#request.headers);
    return this.#requestHeader;
  }

  get responseHeader(): LazyHeaders {
    this.#responseHeader ??= new LazyHeaders({ "content-type": this.#contentType });
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers(
      this.protocolName === "connect" ? undefined : { "grpc-status": grpcStatusOk },
    );
    return this.#responseTrailer;
  }

  /** Whether something has used the trailers. */
  get hasTrailer(): boolean {
    return this.#responseTrailer !== undefined;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#ended !== undefined) this.#controller.abort(this.#ended.reason ?? OVER);
    }
    return this.#controller.signal;
  }

  readonly timeoutMs = (): number | undefined =>
    this.#deadline === undefined ? undefined : this.#deadline - Date.now();

  /** Whether the call has ended. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /**
   * Ends the call: what `untilEnded` returned rejects, and then the signal aborts. The reason is
   * the rejection if it is a ConnectError, else "cancelled".
   */
  end(reason?: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    this.#reject?.(reason instanceof ConnectError ? reason : gone());
    this.#controller?.abort(reason ?? OVER);
  }

  /**
   * Runs work and resolves to its result, or rejects as soon as the call ends or `timeoutMs` have
   * passed; the work is not stopped. `late` returns the error of a call that took too long.
   */
  untilEnded<T>(
    work: () => T | PromiseLike<T>,
    timeoutMs: number | undefined,
    late: () => ConnectError,
  ): T | Promise<T> {
    if (this.#ended !== undefined) {
      const { reason } = this.#ended;
      throw reason instanceof ConnectError ? reason : gone();
    }
    const result = work();
    // Without a timer for a handler that does not wait.
    if (!isPromise(result)) return result;
    return new Promise<T>((resolve, reject) => {
      // Node keeps a list of timers for each different time.
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => this.end(late()), Math.ceil(timeoutMs));
      const settle = () => {
        clearTimeout(timer);
        this.#reject = undefined;
      };
      this.#reject = (reason) => {
        settle();
        reject(reason);
      };
      result.then(
        (value) => {
          settle();
          resolve(value);
        },
        (error) => {
          settle();
          reject(error);
        },
      );
    });
  }
}

/** As `abort` without a reason makes it, for each call anew with its stack. */
const OVER = new DOMException("This operation was aborted", "AbortError");

const isPromise = <T>(value: T | PromiseLike<T>): value is PromiseLike<T> =>
  typeof (value as Partial<PromiseLike<T>> | null | undefined)?.then === "function";
