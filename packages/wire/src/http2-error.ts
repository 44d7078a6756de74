import { constants } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";

/** gRPC over HTTP/2, "HTTP2 Transport Mapping"; other codes are no error of the call. */
const codes: ReadonlyMap<number | undefined, Code> = new Map([
  [constants.NGHTTP2_PROTOCOL_ERROR, Code.Internal],
  [constants.NGHTTP2_INTERNAL_ERROR, Code.Internal],
  [constants.NGHTTP2_FLOW_CONTROL_ERROR, Code.Internal],
  [constants.NGHTTP2_SETTINGS_TIMEOUT, Code.Internal],
  [constants.NGHTTP2_FRAME_SIZE_ERROR, Code.Internal],
  [constants.NGHTTP2_REFUSED_STREAM, Code.Unavailable],
  [constants.NGHTTP2_CANCEL, Code.Canceled],
  [constants.NGHTTP2_COMPRESSION_ERROR, Code.Internal],
  [constants.NGHTTP2_CONNECT_ERROR, Code.Internal],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, Code.ResourceExhausted],
  [constants.NGHTTP2_INADEQUATE_SECURITY, Code.PermissionDenied],
  [constants.NGHTTP2_HTTP_1_1_REQUIRED, Code.PermissionDenied],
]);

/** Returns the error of a stream that was reset with this code; undefined if it is no error. */
export function http2Error(rstCode: number | undefined, cause?: unknown): ConnectError | undefined {
  const code = codes.get(rstCode);
  if (code === undefined) return undefined;
  const message = `the HTTP/2 stream was reset with code ${rstCode}`;
  return new ConnectError(message, code, undefined, undefined, cause);
}

/** Of Node: the connection was not made, so nothing was sent. */
const NOT_CONNECTED = new Set(["ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED"]);
/** The connection broke: the outcome of the call is unknown. */
const BROKEN = new Set(["ERR_STREAM_DESTROYED", "ERR_HTTP2_INVALID_STREAM", "ECONNRESET"]);

/** Returns the error of a call whose stream failed. A refused stream is `unavailable`. */
export function streamError(error: unknown, rstCode: number | undefined): ConnectError {
  if (error instanceof ConnectError) return error;
  const names = codesOf(error);
  const failure = (code: Code) =>
    new ConnectError((error as Error).message, code, undefined, undefined, error);
  if (names.some((name) => BROKEN.has(name))) return failure(Code.Aborted);
  if (names.some((name) => NOT_CONNECTED.has(name))) return failure(Code.Unavailable);
  return http2Error(rstCode, error) ?? failure(Code.Internal);
}

/** Returns the error of a call whose connection was closed before its response was whole. */
export const connectionClosed = (): ConnectError =>
  new ConnectError("the connection was closed; the outcome is unknown", Code.Aborted);

/** Returns the codes of an error and of its causes, of which there are few. */
function codesOf(error: unknown): string[] {
  const names: string[] = [];
  let one = error;
  for (let depth = 0; one instanceof Error && depth < 8; depth++) {
    if ("code" in one && typeof one.code === "string") names.push(one.code);
    one = one.cause;
  }
  return names;
}
