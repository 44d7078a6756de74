import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  endStreamFlag,
  endStreamToJson,
  errorToJson,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";

/** What the host says without asking a handler. Its metadata become headers. */
export type Refusal = Pick<ConnectError, "code" | "message"> | ConnectError;

const GRPC = /^application\/grpc/;
const CONNECT_STREAM = /^application\/connect\+/;
/** Older clients do not know Connect's 501. */
const NOT_FOUND = 404;

/** For the rest of a request that is refused. */
const REST_TIMEOUT_MS = 100;

/**
 * Calls `respond` when the request has ended, at once over HTTP/1.1. A client that is still sending
 * over HTTP/2 would reset its stream, and a connection that resets too many streams is closed, with
 * the calls that were admitted. It is not waited for long.
 */
export function afterRequest(request: IncomingMessage, respond: () => void): void {
  const { stream } = request as unknown as Partial<Http2ServerRequest>;
  if (stream === undefined || stream.endAfterHeaders) {
    respond();
    return;
  }
  const ended = () => {
    clearTimeout(timer);
    stream.off("end", ended).off("close", ended);
    if (!stream.destroyed) respond();
  };
  const timer = setTimeout(ended, REST_TIMEOUT_MS);
  stream.once("end", ended).once("close", ended).resume();
}

/** Responds with an error in the protocol of the request. The headers must not have been sent. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  refusal: Refusal,
  headers: OutgoingHttpHeaders,
): void {
  const error = toError(refusal);
  const { status, fields, body } = inProtocolOf(request.headers["content-type"] ?? "", error);
  const retry = refusal.code === Code.Unavailable ? { "retry-after": "1" } : {};
  const all = { ...headers, ...retry, ...fields };
  if (body !== undefined) {
    all["content-length"] = Buffer.byteLength(body);
    // At once: a header that is set before is kept in a table, and written later.
    response.writeHead(status, all).end(body);
    return;
  }
  // Not at once: without a body the headers must end the stream, which makes them gRPC's "trailers
  // only". Over HTTP/2, `writeHead` sends them before it knows.
  response.statusCode = status;
  for (const [name, value] of Object.entries(all))
    if (value !== undefined) response.setHeader(name, value);
  response.end();
}

/** Ends a response whose headers have been sent, so that the client knows that it is not whole. */
export function breakOff(
  request: IncomingMessage,
  response: ServerResponse,
  refusal: Refusal,
): void {
  const stream = http2StreamOf(response);
  if (stream === undefined) response.destroy();
  else if (GRPC.test(request.headers["content-type"] ?? "")) {
    response.addTrailers(statusFields(toError(refusal)));
    response.end();
  } else stream.close(constants.NGHTTP2_INTERNAL_ERROR);
}

const toError = (refusal: Refusal): ConnectError =>
  refusal instanceof ConnectError ? refusal : new ConnectError(refusal.message, refusal.code);

const http2StreamOf = (response: ServerResponse) =>
  (response as unknown as Partial<Http2ServerResponse>).stream;

interface Written {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
}

/** Of errors that many requests share. */
const asJson = new WeakMap<ConnectError, Written>();

function inProtocolOf(contentType: string, error: ConnectError): Written {
  const own = Object.fromEntries(error.metadata);
  const type = { ...own, "content-type": contentType };
  if (GRPC.test(contentType))
    return { status: 200, fields: { ...type, ...statusFields(error) }, body: undefined };
  if (CONNECT_STREAM.test(contentType)) {
    const end = Buffer.from(JSON.stringify(endStreamToJson(new Headers(), error, undefined)));
    return { status: 200, fields: type, body: encodeEnvelope(endStreamFlag, end) };
  }
  const known = asJson.get(error);
  if (known !== undefined) return known;
  const written = {
    status: error.code === Code.Unimplemented ? NOT_FOUND : codeToHttpStatus(error.code),
    fields: { ...own, "content-type": "application/json" },
    body: JSON.stringify(errorToJson(error, undefined)),
  };
  asJson.set(error, written);
  return written;
}

const statusFields = (error: ConnectError): Record<string, string> =>
  Object.fromEntries(setTrailerStatus(new Headers(), error));
