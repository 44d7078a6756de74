import type { Readable } from "node:stream";
import { PREFIX_BYTES } from "./form.ts";

/** What was read of a body, and where the rest comes from. */
export interface Body {
  readonly chunks: readonly Uint8Array[];
  readonly length: number;
  /** False if reading stopped early: the rest is still in the source. */
  readonly isWhole: boolean;
}

/**
 * Reads a body and passes it to `done`, once; never if the source closes before its end. Stops as
 * soon as `isTooMuch` says so of what was read.
 */
export function readBody(
  source: Readable,
  isTooMuch: (first: Uint8Array, length: number) => boolean,
  done: (body: Body) => void,
): void {
  // Without data, the end may come before anyone reads.
  if (source.readableEnded) {
    done({ chunks: [], length: 0, isWhole: true });
    return;
  }
  if (source.destroyed) return;
  const chunks: Uint8Array[] = [];
  let length = 0;
  const finish = (isWhole: boolean) => {
    source.off("data", onData).off("end", onEnd);
    done({ chunks, length, isWhole });
  };
  const onData = (chunk: Uint8Array) => {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (!isTooMuch(chunks[0] as Uint8Array, length)) return;
    source.pause();
    finish(false);
  };
  const onEnd = () => finish(true);
  source.on("data", onData).on("end", onEnd);
}

/** Returns the whole body again, for another reader. */
export async function* replay(
  { chunks, isWhole }: Body,
  source: Readable,
): AsyncGenerator<Uint8Array> {
  yield* chunks;
  if (!isWhole) yield* source.iterator({ destroyOnReturn: false });
}

export function joined({ chunks, length }: Body): Uint8Array {
  const [first] = chunks;
  if (first === undefined) return new Uint8Array();
  return chunks.length === 1 ? first : Buffer.concat(chunks, length);
}

/** Returns the length that the prefix of an envelope announces; 0 if the prefix is not whole. */
export function announced(envelope: Uint8Array): number {
  if (envelope.byteLength < PREFIX_BYTES) return 0;
  const [, a = 0, b = 0, c = 0, d = 0] = envelope;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** Returns the message of a body that is one plain envelope, else undefined. */
export function onlyMessage(body: Uint8Array): Uint8Array | undefined {
  if (body.byteLength < PREFIX_BYTES || body[0] !== 0) return undefined;
  const length = announced(body);
  return body.byteLength === PREFIX_BYTES + length ? body.subarray(PREFIX_BYTES) : undefined;
}

/** Returns the envelope of a message, followed by other bytes. */
export function envelope(flags: number, message: Uint8Array, rest?: Uint8Array): Buffer {
  const end = PREFIX_BYTES + message.byteLength;
  const bytes = Buffer.allocUnsafe(end + (rest?.byteLength ?? 0));
  bytes.writeUInt8(flags, 0);
  bytes.writeUInt32BE(message.byteLength, 1);
  bytes.set(message, PREFIX_BYTES);
  if (rest !== undefined) bytes.set(rest, end);
  return bytes;
}
