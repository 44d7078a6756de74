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
export function http2Error(rstCode: number | undefined): ConnectError | undefined {
  const code = codes.get(rstCode);
  if (code === undefined) return undefined;
  return new ConnectError(`the HTTP/2 stream was reset with code ${rstCode}`, code);
}
