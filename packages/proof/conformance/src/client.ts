import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  create,
  createRegistry,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  type CallOptions,
  Code,
  ConnectError,
  createClient,
  type Transport,
} from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  createGrpcTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { createLeanTransport } from "@tercet/wire";
import type { Contract } from "./contract.ts";
import { frame, readFrames } from "./frames.ts";
import type { CancelTiming, ClientCompatRequest, Header } from "./messages.ts";

const PAYLOAD_LIMIT = 4 * 1_024 * 1_024;
const IN_FLIGHT = 16;
const COMPRESSIONS = [undefined, undefined, compressionGzip, compressionBrotli];

/** What the suite compares with what its server sent. */
interface Result {
  responseHeaders: Header[];
  responseTrailers: Header[];
  payloads: unknown[];
  numUnsentRequests: number;
  error?: { code: number; message: string; details: Any[] };
}

/** Makes each call that the suite requests on the socket, and reports its result there. */
export async function callForSuite(
  contract: Contract,
  socket: Socket,
  fastPath: boolean,
): Promise<void> {
  socket.on("error", () => {});
  const requestSchema = contract.message("ClientCompatRequest");
  const responseSchema = contract.message("ClientCompatResponse");
  const running = new Set<Promise<void>>();
  const report = (testName: string, result: object) =>
    void socket.write(
      frame(toBinary(responseSchema, create(responseSchema, { testName, result } as never))),
    );
  for await (const bytes of readFrames(socket)) {
    const request = fromBinary(requestSchema, bytes) as unknown as ClientCompatRequest;
    const call = new SuiteCall(contract, request, fastPath).run().then(
      (value) => report(request.testName, { case: "response", value }),
      (error: unknown) =>
        report(request.testName, { case: "error", value: { message: String(error) } }),
    );
    running.add(call);
    void call.then(() => running.delete(call));
    if (running.size >= IN_FLIGHT) await Promise.race(running);
  }
  await Promise.all(running);
  socket.end();
}

type AnyCall = (input: unknown, options: CallOptions) => unknown;

/** One call, by a transport of its own. */
class SuiteCall {
  readonly #contract: Contract;
  readonly #request: ClientCompatRequest;
  readonly #fastPath: boolean;
  readonly #end = new AbortController();
  readonly #result: Result = {
    responseHeaders: [],
    responseTrailers: [],
    payloads: [],
    numUnsentRequests: 0,
  };

  constructor(contract: Contract, request: ClientCompatRequest, fastPath: boolean) {
    this.#contract = contract;
    this.#request = request;
    this.#fastPath = fastPath;
  }

  async run(): Promise<Result> {
    const { host, port, serverTlsCert } = this.#request;
    const scheme = serverTlsCert.length > 0 ? "https" : "http";
    const baseUrl = `${scheme}://${host}:${port}`;
    const connection = new Http2SessionManager(baseUrl, {}, this.#tls());
    try {
      await this.#call(this.#transport(baseUrl, connection));
    } catch (error) {
      this.#fail(ConnectError.from(error));
    } finally {
      connection.abort();
    }
    return this.#result;
  }

  #tls() {
    const { serverTlsCert, clientTlsCreds: own } = this.#request;
    const pem = (bytes: Uint8Array) => Buffer.from(bytes).toString();
    if (serverTlsCert.length === 0) return {};
    return { ca: pem(serverTlsCert), ...(own && { cert: pem(own.cert), key: pem(own.key) }) };
  }

  #transport(baseUrl: string, connection: Http2SessionManager): Transport {
    const { compression, messageReceiveLimit } = this.#request;
    const chosen = COMPRESSIONS[compression];
    const options = {
      baseUrl,
      readMaxBytes: messageReceiveLimit || PAYLOAD_LIMIT,
      acceptCompression: chosen === undefined ? [] : [chosen],
      ...(chosen !== undefined && { sendCompression: chosen, compressMinBytes: 0 }),
    };
    return this.#fastPath
      ? createLeanTransport({ ...options, connection })
      : createGrpcTransport({ ...options, sessionManager: connection });
  }

  async #call(transport: Transport): Promise<void> {
    const { method: name, requestHeaders, timeoutMs } = this.#request;
    const method = this.#contract.service.methods.find((one) => one.name === name);
    if (method === undefined) throw new Error(`there is no method ${name}`);
    const call = this.#method(transport, method);
    const headers = new Headers();
    for (const { name, value } of requestHeaders)
      for (const one of value) headers.append(name, one);
    const options: CallOptions = {
      headers,
      signal: this.#end.signal,
      ...(timeoutMs !== undefined && { timeoutMs }),
      onHeader: (header) => void this.#result.responseHeaders.push(...listed(header)),
      onTrailer: (trailer) => void this.#result.responseTrailers.push(...listed(trailer)),
    };
    switch (method.methodKind) {
      case "unary":
        this.#cancelAfterSend();
        return this.#add(await (call(this.#messages()[0], options) as Promise<Message>));
      case "server_streaming":
        this.#cancelAfterSend();
        return this.#collect(call(this.#messages()[0], options) as AsyncIterable<Message>);
      case "client_streaming":
        return this.#add(await (call(this.#stream(), options) as Promise<Message>));
      case "bidi_streaming": {
        const turns = this.#request.streamType === FULL_DUPLEX ? new Turns() : undefined;
        const responses = call(this.#stream(turns), options) as AsyncIterable<Message>;
        return this.#collect(responses, turns);
      }
    }
  }

  #method(transport: Transport, method: DescMethod): AnyCall {
    const client = createClient(this.#contract.service, transport) as Record<string, AnyCall>;
    return client[method.localName] as AnyCall;
  }

  #messages(): Message[] {
    const { requestMessages } = this.#request;
    const registry = createRegistry(this.#contract.service.file);
    return requestMessages.map((any) => anyUnpack(any, registry) as Message);
  }

  get #timing(): CancelTiming | undefined {
    return this.#request.cancel?.cancelTiming;
  }

  #cancelAfterSend(): void {
    const { cancel } = this.#request;
    const timing = this.#timing;
    if (cancel === undefined || timing?.case === "afterNumResponses") return;
    const ms = timing?.case === "afterCloseSendMs" ? timing.value : 0;
    setTimeout(() => this.#end.abort(), ms);
  }

  async *#stream(turns?: Turns): AsyncGenerator<Message> {
    const messages = this.#messages();
    this.#result.numUnsentRequests = messages.length;
    for (const message of messages) {
      await sleep(this.#request.requestDelayMs);
      this.#result.numUnsentRequests -= 1;
      yield message;
      await turns?.response();
    }
    if (this.#timing?.case === "beforeCloseSend") this.#end.abort();
    else this.#cancelAfterSend();
  }

  async #collect(responses: AsyncIterable<Message>, turns?: Turns): Promise<void> {
    const timing = this.#timing;
    try {
      for await (const response of responses) {
        this.#add(response);
        if (timing?.case === "afterNumResponses" && this.#result.payloads.length >= timing.value)
          this.#end.abort();
        turns?.next();
      }
    } finally {
      turns?.finish();
    }
  }

  #add(response: Message): void {
    const { payload } = response as Message & { readonly payload?: unknown };
    this.#result.payloads.push(payload ?? {});
  }

  #fail(error: ConnectError): void {
    const { rawMessage: message, code } = error;
    const details = error.details.map((detail) =>
      "desc" in detail
        ? anyPack(detail.desc, create(detail.desc as DescMessage, detail.value as never))
        : anyOf(detail.type, detail.value),
    );
    this.#result.error = { code: code ?? Code.Unknown, message, details };
    if (this.#result.responseTrailers.length === 0)
      this.#result.responseTrailers = listed(error.metadata);
  }
}

const FULL_DUPLEX = 5;

/** Has a stream of requests wait for the response to each. */
class Turns {
  #waiting = Promise.withResolvers<void>();
  #finished = false;

  async response(): Promise<void> {
    if (this.#finished) return;
    await this.#waiting.promise;
    this.#waiting = Promise.withResolvers();
  }

  next(): void {
    this.#waiting.resolve();
  }

  finish(): void {
    this.#finished = true;
    this.#waiting.resolve();
  }
}

const anyOf = (type: string, value: Uint8Array): Any =>
  ({ $typeName: "google.protobuf.Any", typeUrl: `type.googleapis.com/${type}`, value }) as Any;

const listed = (headers: Headers): Header[] =>
  [...headers].map(([name, value]) => ({ name, value: [value] }));
