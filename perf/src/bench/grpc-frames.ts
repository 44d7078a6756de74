/** Returns gRPC's frame of one uncompressed message. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  framed.writeUInt8(0, 0);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX_BYTES);
  return framed;
}

/** Returns the message of a body that is one frame. */
export const unframe = (body: Buffer): Buffer => body.subarray(PREFIX_BYTES);

const PREFIX_BYTES = 5;
