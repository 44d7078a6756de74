import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import type {
  Header,
  Request,
  ResponseDefinition,
  RpcError,
  StreamResponseDefinition,
  UnaryResponseDefinition,
} from "./messages.ts";

type Answer = MessageInitShape<DescMessage>;

/** Reports in responses and errors what was received. */
export class Echo {
  readonly #schema: DescMessage;
  readonly #context: HandlerContext;
  /** Of the whole call: later, Connect returns what is left. */
  readonly #timeoutMs: number | undefined;

  /** @param schema of ConformancePayload.RequestInfo */
  constructor(schema: DescMessage, context: HandlerContext) {
    this.#schema = schema;
    this.#context = context;
    this.#timeoutMs = context.timeoutMs();
  }

  async once(
    definition: UnaryResponseDefinition | undefined,
    requests: readonly Request[],
  ): Promise<Answer> {
    this.open(definition);
    await this.#pause(definition);
    const { response } = definition ?? {};
    if (response?.case === "error") throw this.#failure(response.value, requests);
    return payload(response?.value, this.#call(requests));
  }

  /** Sends the requested headers and trailers. */
  open(definition: ResponseDefinition | undefined): void {
    append(this.#context.responseHeader, definition?.responseHeaders);
    append(this.#context.responseTrailer, definition?.responseTrailers);
  }

  /** Returns the responses of a stream. */
  stream(definition: StreamResponseDefinition | undefined): StreamEcho {
    const responses = definition?.responseData ?? [];
    let sent = 0;
    const next = async (requests: readonly Request[]): Promise<Answer> => {
      await this.#pause(definition);
      const information = sent === 0 ? this.#call(requests) : this.#requests(requests);
      return payload(responses[sent++], information);
    };
    const left = () => sent < responses.length;
    const self = this;
    return {
      left,
      next,
      async *rest(requests) {
        for (let pending = requests; left(); pending = []) yield await next(pending);
        if (definition?.error === undefined) return;
        throw self.#failure(definition.error, sent === 0 ? requests : undefined);
      },
    };
  }

  async #pause(definition: ResponseDefinition | undefined): Promise<void> {
    const delayMs = definition?.responseDelayMs ?? 0;
    if (delayMs > 0) await sleep(delayMs, undefined, { signal: this.#context.signal });
  }

  /** `requests` are reported unless a response was sent before the error. */
  #failure(
    { code, message = "", details }: RpcError,
    requests: readonly Request[] | undefined,
  ): ConnectError {
    const error = new ConnectError(message, code);
    for (const { typeUrl, value } of details)
      error.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value });
    if (requests !== undefined)
      error.details.push({ desc: this.#schema, value: this.#call(requests) });
    return error;
  }

  #call(requests: readonly Request[]) {
    const { requestHeader, requestMethod, url } = this.#context;
    const timeoutMs = this.#timeoutMs;
    const query = new URL(url).searchParams;
    return create(this.#schema, {
      requestHeaders: headers(requestHeader),
      requests: this.#packed(requests),
      ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.round(timeoutMs)) }),
      ...(requestMethod === "GET" && { connectGetInfo: { queryParams: headers(query) } }),
    } as Answer);
  }

  #requests(requests: readonly Request[]) {
    return requests.length === 0
      ? undefined
      : create(this.#schema, { requests: this.#packed(requests) } as Answer);
  }

  #packed(requests: readonly Request[]): Any[] {
    return requests.map((request) => anyPack(this.#context.method.input, request));
  }
}

export interface StreamEcho {
  left(): boolean;
  /** Resolves to the next response, which reports these requests. */
  next(requests: readonly Request[]): Promise<Answer>;
  /** Returns the responses that are left, then throws the requested error. */
  rest(requests: readonly Request[]): AsyncIterable<Answer>;
}

const payload = (data: Uint8Array | undefined, requestInfo: unknown): Answer =>
  ({
    payload: {
      ...(data !== undefined && { data }),
      ...(requestInfo !== undefined && { requestInfo }),
    },
  }) as Answer;

const headers = (entries: Iterable<[string, string]>): Header[] =>
  [...entries].map(([name, value]) => ({ name, value: [value] }));

function append(to: Headers, given: readonly Header[] = []): void {
  for (const { name, value } of given) for (const one of value) to.append(name, one);
}
