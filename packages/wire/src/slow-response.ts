import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Body, joined } from "./body.ts";
import { PREFIX_BYTES } from "./form.ts";
import { LazyHeaders } from "./lazy-headers.ts";
import { type Compression, validateResponseWithCompression, validateTrailer } from "./protocol.ts";

/** A response as it came. */
export interface Received {
  readonly headers: IncomingHttpHeaders & IncomingHttpStatusHeader;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Body;
}

interface SlowOptions {
  readonly acceptCompression: Compression[];
  readonly readMaxBytes: number;
}

/** The flag of an envelope. */
export const COMPRESSED = 1;

/**
 * Returns the message of any response to a unary call, or throws its error: what Connect's own
 * transport checks, in its order.
 */
export async function slowResponse(
  { headers, trailers, body }: Received,
  { acceptCompression, readMaxBytes }: SlowOptions,
): Promise<Uint8Array> {
  const header = new LazyHeaders(headers);
  const trailer = new LazyHeaders(trailers);
  const status = headers[":status"] ?? 0;
  const { compression, headerError } = validateResponseWithCompression(
    acceptCompression,
    status,
    header,
  );
  const message = await onlyOne(joined(body), compression, readMaxBytes);
  validateTrailer(trailer, header);
  if (message !== undefined && headerError === undefined) return message;
  if (message === undefined && headerError !== undefined) throw headerError;
  if (message !== undefined)
    throw new ConnectError(
      "protocol error: received output message for unary method with error status",
      Code.Unknown,
    );
  throw new ConnectError(
    "protocol error: missing output message for unary method",
    trailer.has("grpc-status") ? Code.Unimplemented : Code.Unknown,
  );
}

/** Returns the message of a body that is one envelope, undefined if it is empty. */
async function onlyOne(
  body: Uint8Array,
  compression: Compression | undefined,
  readMaxBytes: number,
): Promise<Uint8Array | undefined> {
  if (body.byteLength === 0) return undefined;
  const length =
    body.byteLength < PREFIX_BYTES
      ? Number.POSITIVE_INFINITY
      : new DataView(body.buffer, body.byteOffset).getUint32(1);
  const end = PREFIX_BYTES + length;
  if (Number.isFinite(length) && length > readMaxBytes)
    throw new ConnectError(
      `message size ${length} is larger than configured readMaxBytes ${readMaxBytes}`,
      Code.ResourceExhausted,
    );
  if (body.byteLength < end)
    throw new ConnectError("protocol error: incomplete envelope", Code.Internal);
  if (body.byteLength > end)
    throw new ConnectError(
      "protocol error: received extra output message for unary method",
      Code.Unimplemented,
    );
  const message = body.slice(PREFIX_BYTES);
  if (((body[0] ?? 0) & COMPRESSED) === 0) return message;
  if (compression === undefined)
    throw new ConnectError(
      "received compressed envelope, but do not know how to decompress",
      Code.Internal,
    );
  return await compression.decompress(message as Uint8Array<ArrayBuffer>, readMaxBytes);
}
