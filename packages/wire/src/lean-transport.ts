import type { OutgoingHttpHeaders } from "node:http";
import {
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from "node:http2";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createContextValues,
  type Interceptor,
  type Transport,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { envelope, joined, onlyMessage } from "./body.ts";
import { CallSignal, failureOf } from "./call-signal.ts";
import { PREFIX_BYTES } from "./form.ts";
import { connectionClosed, streamError } from "./http2-error.ts";
import { addHeaders, LazyHeaders } from "./lazy-headers.ts";
import {
  type Compression,
  contentTypeGrpcProto,
  createMethodSerializationLookup,
  grpcStatusOk,
  requestHeaderWithCompression,
  validateResponse,
} from "./protocol.ts";
import { COMPRESSED, type Received, slowResponse } from "./slow-response.ts";

/** An HTTP/2 connection that is opened when it is needed, such as connect-node's. */
export type Connection = NonNullable<Parameters<typeof createGrpcTransport>[0]["sessionManager"]>;

export interface LeanTransportOptions {
  readonly baseUrl: string;
  readonly connection: Connection;
  /** Of calls without a timeout of their own. */
  readonly defaultTimeoutMs?: number;
  readonly interceptors?: Interceptor[];
  readonly acceptCompression: Compression[];
  /** Of requests; none by default. */
  readonly sendCompression?: Compression;
  /** Of a message; also after it is decompressed. */
  readonly readMaxBytes: number;
}

/**
 * Creates a transport for gRPC. A unary call is one stream of the connection, written and read at
 * once; streams are served by connect-node's transport, over the same connection.
 */
export function createLeanTransport(options: LeanTransportOptions): Transport {
  const { baseUrl, connection, ...common } = options;
  const stock = createGrpcTransport({ ...common, baseUrl, sessionManager: connection });
  const call = (options.interceptors ?? []).reduceRight<AnyUnary>(
    (next, interceptor) => interceptor(next as never) as unknown as AnyUnary,
    exchanger(options),
  );
  const headerOf = headersOf(options);
  const root = baseUrl.replace(/\/$/, "");
  return {
    async stream(method, signal, timeoutMs, ...call) {
      const failure = failureOf(timeoutMs ?? options.defaultTimeoutMs);
      const failed = (error: unknown) => (signal?.aborted ? error : failure(error));
      try {
        const response = await stock.stream(method, signal, timeoutMs, ...call);
        return { ...response, message: failingAs(response.message, failed) };
      } catch (error) {
        throw failed(error);
      }
    },
    async unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: HeadersInit,
      input: MessageInitShape<I>,
      contextValues = createContextValues(),
    ): Promise<UnaryResponse<I, O>> {
      const limit = timeoutMs === undefined ? options.defaultTimeoutMs : timeoutMs;
      const limitMs = limit === undefined || limit <= 0 ? undefined : limit;
      const life = new CallSignal(signal, limitMs);
      try {
        const response = await call({
          stream: false,
          service: method.parent,
          method,
          requestMethod: "POST",
          url: `${root}/${method.parent.typeName}/${method.name}`,
          header: headerOf(limitMs, header),
          contextValues,
          message: create(method.input, input),
          signal: life.signal,
        });
        life.over();
        return response as UnaryResponse<I, O>;
      } catch (error) {
        throw life.failed(error);
      }
    },
  };
}

/** Returns a function that creates the header of a call, mostly by copying what all have. */
function headersOf({ acceptCompression, sendCompression }: LeanTransportOptions) {
  const create = (limitMs: number | undefined, given: HeadersInit) =>
    requestHeaderWithCompression(true, limitMs, given, acceptCompression, sendCompression ?? null);
  const common = Object.fromEntries(create(undefined, undefined));
  return (limitMs: number | undefined, given: HeadersInit): Headers => {
    if (given !== undefined) return create(limitMs, given);
    const timeout = limitMs === undefined ? {} : { "grpc-timeout": `${limitMs}m` };
    return new LazyHeaders({ ...common, ...timeout });
  };
}

type HeadersInit = ConstructorParameters<typeof Headers>[0] | undefined;

/**
 * Yields the messages of a stream, which fails as `failed` says. A response that ends within a
 * message is `internal` in gRPC; connect-node blames the request.
 */
async function* failingAs<T>(
  messages: AsyncIterable<T>,
  failed: (error: unknown) => unknown,
): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    const isOwn = error instanceof ConnectError && !error.isWireError;
    throw isOwn && error.code === Code.InvalidArgument
      ? new ConnectError(error.rawMessage, Code.Internal, undefined, undefined, error)
      : failed(error);
  }
}

type AnyUnary = (request: UnaryRequest) => Promise<UnaryResponse>;

interface Codec {
  readonly path: string;
  readonly write: (message: MessageShape<DescMessage>) => Uint8Array;
  readonly read: (bytes: Uint8Array) => MessageShape<DescMessage>;
}

/** Returns the innermost function of a transport, which sends a request and reads its response. */
function exchanger(options: LeanTransportOptions): AnyUnary {
  const { connection, baseUrl } = options;
  const prefix = new URL(baseUrl).pathname.replace(/\/$/, "");
  const codecs = new WeakMap<UnaryRequest["method"], Codec>();
  const codecOf = (method: UnaryRequest["method"]): Codec => {
    const known = codecs.get(method);
    if (known !== undefined) return known;
    const codec = createCodec(method, prefix, options);
    codecs.set(method, codec);
    return codec;
  };
  return async (request) => {
    const { method, header, signal } = request;
    const { path, write, read } = codecOf(method);
    const plain = write(request.message as MessageShape<DescMessage>);
    const body =
      options.sendCompression === undefined
        ? envelope(0, plain)
        : envelope(
            COMPRESSED,
            await options.sendCompression.compress(plain as Uint8Array<ArrayBuffer>),
          );
    const received = await exchange(connection, path, header, body, signal, options.readMaxBytes);
    const bytes = plainMessage(received) ?? (await slowResponse(received, options));
    return {
      stream: false,
      service: method.parent,
      method,
      header: new LazyHeaders(received.headers),
      message: read(bytes),
      trailer: new LazyHeaders(received.trailers),
    };
  };
}

function createCodec(
  method: UnaryRequest["method"],
  prefix: string,
  { readMaxBytes }: LeanTransportOptions,
): Codec {
  const limits = { readMaxBytes, writeMaxBytes: 0xffffffff };
  const { getI, getO } = createMethodSerializationLookup(method, {}, {}, limits);
  const path = `${prefix}/${method.parent.typeName}/${method.name}`;
  return { path, write: getI(true).serialize, read: getO(true).parse };
}

const PLAIN_TYPES = new Set<unknown>(["application/grpc", contentTypeGrpcProto]);

/** Returns the message of a response that is as most are; else undefined. */
function plainMessage({ headers, trailers, body }: Received): Uint8Array | undefined {
  if (headers[":status"] !== 200 || !PLAIN_TYPES.has(headers["content-type"])) return undefined;
  if (headers["grpc-status"] !== undefined || trailers["grpc-status"] !== grpcStatusOk)
    return undefined;
  return "grpc-status-details-bin" in trailers ? undefined : onlyMessage(joined(body));
}

/** Sends a request and resolves to its response, or rejects as soon as the signal aborts. */
function exchange(
  connection: Connection,
  path: string,
  header: Headers,
  body: Buffer,
  signal: AbortSignal,
  readMaxBytes: number,
): Promise<Received> {
  return new Promise((resolve, reject) => {
    let stream: ClientHttp2Stream | undefined;
    let isOver = false;
    const finish = () => {
      isOver = true;
      signal.removeEventListener("abort", onAbort);
    };
    const fail = (error: ConnectError, rstCode: number = constants.NGHTTP2_INTERNAL_ERROR) => {
      if (isOver) return;
      finish();
      stream?.close(rstCode);
      reject(error);
    };
    // A deadline too: it is no fault of the server.
    const onAbort = () =>
      fail(ConnectError.from(signal.reason, Code.Canceled), constants.NGHTTP2_CANCEL);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    const fields: OutgoingHttpHeaders = {};
    if (header instanceof LazyHeaders) header.addTo(fields);
    else addHeaders(fields, header);
    connection.request("POST", path, fields, {}).then(
      (opened) => {
        stream = opened;
        stream.on("error", (error) => fail(streamError(error, opened.rstCode)));
        if (isOver) return opened.close(constants.NGHTTP2_CANCEL);
        receive(opened, readMaxBytes, fail, (received) => {
          if (isOver) return;
          finish();
          // The connection knows of the headers, and most bodies come with them.
          if (received.body.chunks.length > 1) connection.notifyResponseByteRead(opened);
          resolve(received);
        });
        opened.end(body);
      },
      (error: unknown) => fail(streamError(error, undefined)),
    );
  });
}

/** Reads the response of a stream. */
function receive(
  stream: ClientHttp2Stream,
  readMaxBytes: number,
  fail: (error: ConnectError) => void,
  done: (received: Received) => void,
): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let headers: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
  let trailers: IncomingHttpHeaders = {};
  stream.on("response", (given) => {
    headers = given;
    // Does not wait for the end of what is no gRPC.
    if (given[":status"] !== 200 || !PLAIN_TYPES.has(given["content-type"]))
      attempt(fail, () => validateResponse(given[":status"] ?? 0, new LazyHeaders(given)));
  });
  stream.on("trailers", (given) => {
    trailers = given;
  });
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length > readMaxBytes + PREFIX_BYTES)
      fail(
        new ConnectError(
          `message size is larger than configured readMaxBytes ${readMaxBytes}`,
          Code.ResourceExhausted,
        ),
      );
  });
  let isWhole = false;
  const { session } = stream;
  stream.on("end", () => {
    // A stream that was cut off ends as well.
    isWhole = stream.rstCode === constants.NGHTTP2_NO_ERROR && !stream.aborted;
    if (isWhole) done({ headers, trailers, body: { chunks, length, isWhole } });
  });
  stream.on("close", () => {
    if (isWhole) return;
    const { rstCode } = stream;
    const broken =
      (session === undefined || session.closed || session.destroyed) &&
      rstCode !== constants.NGHTTP2_REFUSED_STREAM;
    fail(broken ? connectionClosed() : streamError(new Error("the stream ended"), rstCode));
  });
}

function attempt(fail: (error: ConnectError) => void, work: () => unknown): void {
  try {
    work();
  } catch (error) {
    fail(ConnectError.from(error));
  }
}
