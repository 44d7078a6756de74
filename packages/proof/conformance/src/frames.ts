import type { Readable } from "node:stream";

const LENGTH_BYTES = 4;

/** Yields the length-prefixed messages of a stream; the stream stays open when the reader stops. */
export async function* readFrames(source: Readable): AsyncGenerator<Buffer> {
  let read: Buffer = Buffer.alloc(0);
  for await (const chunk of source.iterator({ destroyOnReturn: false })) {
    read = Buffer.concat([read, chunk]);
    while (read.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + read.readUInt32BE();
      if (read.length < end) break;
      const message = read.subarray(LENGTH_BYTES, end);
      read = read.subarray(end);
      yield message;
    }
  }
}

/** Returns a message with its length before it. */
export function frame(message: Uint8Array): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}
