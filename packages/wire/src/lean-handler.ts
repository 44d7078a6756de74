import type { OutgoingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import {
  type DescMessage,
  type DescMethod,
  type JsonReadOptions,
  type JsonWriteOptions,
  type Message,
  type MessageShape,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type HandlerContext } from "@connectrpc/connect";
import { announced, type Body, joined, onlyMessage, readBody, replay } from "./body.ts";
import {
  type NodeRequest,
  type PlainRequest,
  PREFIX_BYTES,
  plainRequest,
  type RequestLimits,
} from "./form.ts";
import { http2Error } from "./http2-error.ts";
import { LeanContext } from "./lean-context.ts";
import {
  type Content,
  type NodeResponse,
  type Outcome,
  type ResponseOptions,
  respond,
} from "./lean-response.ts";
import { createMethodSerializationLookup } from "./protocol.ts";

/** Decodes and checks a message. Throws the error to respond with. */
export type ReadMessage = (bytes: Uint8Array) => Message;

/** Runs a call: what interceptors do, and the implementation. Throws the error to respond with. */
export type Invoke = (message: Message, context: LeanContext) => Promise<Message>;

export interface LeanOptions extends RequestLimits, ResponseOptions {
  readonly jsonOptions: Partial<JsonReadOptions & JsonWriteOptions>;
  /** Runs before the body is read; what it throws is the response. */
  readonly requestGate: (context: HandlerContext) => void | Promise<void>;
  readonly reader: (desc: DescMessage, isBinary: boolean) => ReadMessage;
  /** Is notified of an error that ends a call after the gate and before `invoke`. */
  readonly onRefusal: (error: ConnectError, values: ContextValues) => void;
  /** Ends the calls in flight. */
  readonly shutdownSignal: AbortSignal;
}

/** A request as a handler gets it. */
export interface Exchange {
  readonly request: NodeRequest;
  readonly response: NodeResponse;
  readonly values: ContextValues;
  /** Headers of the response that the server has set. */
  readonly headers: () => OutgoingHttpHeaders;
  /** Serves a body that is not one plain message, in Connect's own way. The gate has run. */
  readonly handOver: (body: AsyncIterable<Uint8Array>) => void;
  /** Is notified of a response that cannot be sent. */
  readonly onUnsent: (error: unknown) => void;
}

/** Serves a request and returns true; returns false, and reads nothing, if it is not plain. */
export type LeanHandler = (exchange: Exchange) => boolean;

/** Creates the short way of unary methods. */
export function createLeanHandlers(
  options: LeanOptions,
): (method: DescMethod, path: string, invoke: Invoke) => LeanHandler {
  const running = new Set<LeanContext>();
  // One listener for all calls: adding one for each costs more than decoding a message.
  options.shutdownSignal.addEventListener(
    "abort",
    () => {
      for (const context of running) context.end(options.shutdownSignal.reason);
    },
    { once: true },
  );
  return (method, path, invoke) => {
    const shared = { method, invoke, options, running, codecs: codecsOf(method, options) };
    return (exchange) => {
      const plain = plainRequest(exchange.request, path, options);
      if (plain === undefined) return false;
      new LeanCall(shared, exchange, plain).run();
      return true;
    };
  };
}

interface Codec {
  readonly read: ReadMessage;
  readonly write: (message: MessageShape<DescMessage>) => Content;
}

interface Codecs {
  readonly binary: Codec;
  readonly json: Codec;
}

function codecsOf(method: DescMethod, { reader, ...options }: LeanOptions): Codecs {
  const { getO } = createMethodSerializationLookup(method, {}, options.jsonOptions, {
    readMaxBytes: options.readMaxBytes,
    writeMaxBytes: 0xffffffff,
  });
  /** As text: over HTTP/1.1, Node writes it together with the headers. */
  const writeJson = (message: MessageShape<DescMessage>) => {
    try {
      return toJsonString(method.output, message, options.jsonOptions);
    } catch (error) {
      throw ConnectError.from(error, Code.Internal);
    }
  };
  return {
    binary: { read: reader(method.input, true), write: getO(true).serialize },
    json: { read: reader(method.input, false), write: writeJson },
  };
}

interface Shared {
  readonly method: DescMethod;
  readonly invoke: Invoke;
  readonly options: LeanOptions;
  readonly running: Set<LeanContext>;
  readonly codecs: Codecs;
}

/** One call on the short way: the gate, the body, the message, the handler, the response. */
class LeanCall {
  readonly #shared: Shared;
  readonly #exchange: Exchange;
  readonly #plain: PlainRequest;
  readonly #context: LeanContext;
  readonly #source: Readable;
  /** Whether its body has not been read yet. */
  #isReading = true;

  constructor(shared: Shared, exchange: Exchange, plain: PlainRequest) {
    const { request, response, values } = exchange;
    this.#shared = shared;
    this.#exchange = exchange;
    this.#plain = plain;
    this.#context = new LeanContext(shared.method, request, plain, values);
    // Node's compatibility layer would copy each chunk into a second stream.
    this.#source = "stream" in request ? request.stream : request;
    shared.running.add(this.#context);
    if (shared.options.shutdownSignal.aborted)
      this.#context.end(shared.options.shutdownSignal.reason);
    response.once("close", () => this.#close());
  }

  run(): void {
    const refuse = (error: unknown) => {
      this.#isReading = false;
      this.#respond({ error: toConnectError(error) });
    };
    try {
      const admitted = this.#shared.options.requestGate(this.#context);
      if (admitted === undefined) this.#readBody();
      else admitted.then(() => this.#readBody()).catch(refuse);
    } catch (error) {
      refuse(error);
    }
  }

  #readBody(): void {
    readBody(this.#source, this.#isTooMuch, (body) => this.#serve(body));
  }

  readonly #isTooMuch = (first: Uint8Array, length: number): boolean => {
    const { readMaxBytes } = this.#shared.options;
    if (!this.#plain.form.protocol.isEnveloped) return length > readMaxBytes;
    if (length > readMaxBytes + PREFIX_BYTES) return true;
    return announced(first) > readMaxBytes;
  };

  #serve(body: Body): void {
    // The reset of a stream looks like the end of its body: the close follows.
    if (this.#reset() !== undefined) return;
    this.#isReading = false;
    const bytes = this.#message(body);
    if (bytes === undefined) {
      this.#end();
      this.#exchange.handOver(replay(body, this.#source));
      return;
    }
    this.#invoke(bytes).then(
      (message) => this.#respond({ message }),
      (error: unknown) => this.#respond({ error: toConnectError(error) }),
    );
  }

  /** Returns the message in a body, or undefined if the body is not exactly one plain message. */
  #message(body: Body): Uint8Array | undefined {
    const { form, length } = this.#plain;
    if (!body.isWhole || (length !== undefined && length !== body.length)) return undefined;
    const bytes = joined(body);
    return form.protocol.isEnveloped ? onlyMessage(bytes) : bytes;
  }

  async #invoke(bytes: Uint8Array): Promise<Content> {
    const { invoke, codecs } = this.#shared;
    const { read, write } = this.#plain.form.isBinary ? codecs.binary : codecs.json;
    return write(await invoke(this.#read(read, bytes), this.#context));
  }

  #read(read: ReadMessage, bytes: Uint8Array): Message {
    try {
      return read(bytes);
    } catch (error) {
      this.#shared.options.onRefusal(toConnectError(error), this.#exchange.values);
      throw error;
    }
  }

  #respond(outcome: Outcome): void {
    const { response, headers, onUnsent } = this.#exchange;
    const { options } = this.#shared;
    const end = () => this.#end(outcome.error);
    try {
      const sent = respond(response, headers(), this.#context, this.#plain, outcome, options);
      if (sent === undefined) end();
      else sent.catch(onUnsent).finally(end);
    } catch (error) {
      onUnsent(error);
      end();
    }
  }

  /** The response was sent, or the caller has left. */
  #close(): void {
    if (this.#context.ended && !this.#isReading) return;
    const error = this.#reset();
    if (this.#isReading)
      this.#shared.options.onRefusal(
        error ?? new ConnectError("the call was cancelled", Code.Canceled),
        this.#exchange.values,
      );
    this.#end(error);
  }

  #reset(): ConnectError | undefined {
    const { request } = this.#exchange;
    return "stream" in request ? http2Error(request.stream.rstCode) : undefined;
  }

  #end(reason?: unknown): void {
    this.#shared.running.delete(this.#context);
    this.#context.end(reason);
  }
}

/** As Connect's handlers do with what is no error of a call. */
const toConnectError = (error: unknown): ConnectError =>
  error instanceof ConnectError
    ? error
    : new ConnectError("internal error", Code.Internal, undefined, undefined, error);
