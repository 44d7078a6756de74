import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { constants, type Http2ServerResponse, type ServerHttp2Stream } from "node:http2";
import type { JsonWriteOptions } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { envelope } from "./body.ts";
import type { PlainRequest } from "./form.ts";
import { addHeaders, type LazyHeaders } from "./lazy-headers.ts";
import type { LeanContext } from "./lean-context.ts";
import {
  codeToHttpStatus,
  contentTypeUnaryJson,
  errorToJsonBytes,
  grpcStatusOk,
  mergeNonProtocolHeaders,
  setTrailerStatus,
  trailerFlag,
  trailerSerialize,
} from "./protocol.ts";

export type NodeResponse = ServerResponse | Http2ServerResponse;

export interface ResponseOptions {
  readonly compressMinBytes: number;
  readonly jsonOptions: Partial<JsonWriteOptions>;
}

/** A message as it is sent; JSON is text. */
export type Content = Uint8Array | string;

/** A message, or why there is none. */
export type Outcome =
  | { readonly message: Content; readonly error?: undefined }
  | { readonly message?: undefined; readonly error: ConnectError };

/** Writes the response of a call in its protocol, all at once. */
export function respond(
  response: NodeResponse,
  given: OutgoingHttpHeaders,
  context: LeanContext,
  { form, compression }: PlainRequest,
  outcome: Outcome,
  options: ResponseOptions,
): void | Promise<void> {
  const protocol = form.protocol.name;
  const plain = protocol === "connect" ? connectBody(outcome, options) : outcome.message;
  if (protocol !== "connect" && compression !== null)
    context.responseHeader.set(form.protocol.encodingHeader, compression.name);
  const write = (body: Content | undefined, flags: number) => {
    if (protocol === "connect") {
      if (flags !== 0) context.responseHeader.set("content-encoding", compression?.name ?? "");
      writeConnect(response, given, context, outcome, body ?? "");
    } else if (protocol === "grpc-web")
      writeGrpcWeb(response, given, context, outcome, body, flags);
    else writeGrpc(response, given, context, outcome, body, flags);
  };
  if (compression === null || plain === undefined) return write(plain, 0);
  const bytes = bytesOf(plain);
  if (bytes.byteLength < options.compressMinBytes) return write(plain, 0);
  return compression
    .compress(bytes as Uint8Array<ArrayBuffer>)
    .then((compressed) => write(compressed, 1));
}

const bytesOf = (content: Content): Uint8Array =>
  typeof content === "string" ? Buffer.from(content) : content;

const connectBody = ({ error, message }: Outcome, { jsonOptions }: ResponseOptions): Content =>
  error === undefined ? message : errorToJsonBytes(error, jsonOptions);

function writeConnect(
  response: NodeResponse,
  given: OutgoingHttpHeaders,
  context: LeanContext,
  { error }: Outcome,
  body: Content,
): void {
  const header = context.responseHeader;
  if (error !== undefined) {
    header.set("content-type", contentTypeUnaryJson);
    if (!error.isWireError) mergeNonProtocolHeaders(header, error.metadata);
  }
  // As Connect's trailerMux does.
  if (context.hasTrailer)
    for (const [name, value] of context.responseTrailer) header.append(`trailer-${name}`, value);
  header.set("content-length", String(Buffer.byteLength(body)));
  const status = error === undefined ? 200 : codeToHttpStatus(error.code);
  send(response, status, given, header, body);
}

function writeGrpcWeb(
  response: NodeResponse,
  given: OutgoingHttpHeaders,
  context: LeanContext,
  { error }: Outcome,
  message: Content | undefined,
  flags: number,
): void {
  const trailer = context.responseTrailer;
  if (error !== undefined) setTrailerStatus(trailer, error);
  const end = envelope(trailerFlag, trailerSerialize(trailer));
  const body = message === undefined ? end : envelope(flags, bytesOf(message), end);
  send(response, 200, given, context.responseHeader, body);
}

/** gRPC is served over HTTP/2 only. */
function writeGrpc(
  response: NodeResponse,
  given: OutgoingHttpHeaders,
  context: LeanContext,
  { error }: Outcome,
  message: Content | undefined,
  flags: number,
): void {
  const http2 = response as Http2ServerResponse;
  const { stream } = http2;
  if (stream.destroyed || stream.closed) return;
  // Node's compatibility layer sends them when the stream wants trailers.
  http2.addTrailers(trailerOf(context, error));
  stream.respond(nodeHeaders(200, given, context.responseHeader), { waitForTrailers: true });
  if (message === undefined) stream.end();
  else stream.end(envelope(flags, bytesOf(message)));
}

function trailerOf(context: LeanContext, error: ConnectError | undefined): OutgoingHttpHeaders {
  if (error !== undefined) setTrailerStatus(context.responseTrailer, error);
  else if (!context.hasTrailer) return { "grpc-status": grpcStatusOk };
  const fields: OutgoingHttpHeaders = {};
  addHeaders(fields, context.responseTrailer);
  return fields;
}

function send(
  response: NodeResponse,
  status: number,
  given: OutgoingHttpHeaders,
  header: LazyHeaders,
  body: Content,
): void {
  if (!("stream" in response)) {
    const fields: OutgoingHttpHeaders = { ...given };
    header.addTo(fields);
    response.writeHead(status, fields);
    // Node writes headers and text at once, bytes in a second write.
    if (typeof body === "string") response.end(body);
    else
      response.end(
        Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1"),
        "latin1",
      );
    return;
  }
  const stream = response.stream as ServerHttp2Stream;
  if (stream.destroyed || stream.closed) return;
  stream.respond(nodeHeaders(status, given, header));
  stream.end(body);
}

function nodeHeaders(
  status: number,
  given: OutgoingHttpHeaders,
  header: LazyHeaders,
): OutgoingHttpHeaders {
  const fields: OutgoingHttpHeaders = { [constants.HTTP2_HEADER_STATUS]: status };
  for (const name in given) fields[name] = given[name];
  header.addTo(fields);
  return fields;
}
