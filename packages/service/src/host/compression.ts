import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Compression } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";

/** Smaller responses are not compressed: it costs more than it saves. */
export const COMPRESS_MIN_BYTES = 4_096;

const gzipped = promisify(gzip);
const brotlied = promisify(brotliCompress);
const FASTEST_BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

/**
 * The encodings of messages, at their cheapest setting: any caller can ask for compression, and at
 * the default quality brotli takes ten times as long as the call that it compresses.
 */
export const compressions: readonly Compression[] = [
  { ...compressionGzip, compress: (bytes) => gzipped(bytes, { level: 1 }) },
  { ...compressionBrotli, compress: (bytes) => brotlied(bytes, FASTEST_BROTLI) },
];
