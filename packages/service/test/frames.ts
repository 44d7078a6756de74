import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Types of HTTP/2 frames (RFC 9113, section 6). */
export const DATA = 0x0;
export const HEADERS = 0x1;
export const RST_STREAM = 0x3;
export const SETTINGS = 0x4;
export const PING = 0x6;
export const GOAWAY = 0x7;
export const WINDOW_UPDATE = 0x8;
export const CONTINUATION = 0x9;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;

export interface Frame {
  readonly type: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const PREFACE = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame(SETTINGS, 0, 0),
]);

/** The length of a string of HPACK, with 7 bits and continuation (RFC 7541, 5.1). */
function length(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

const text = (value: string) => Buffer.concat([length(value.length), Buffer.from(value)]);

/** Fields as HPACK literals without indexing (RFC 7541, 6.2.2). */
export const hpack = (fields: readonly (readonly [string, string])[]): Buffer =>
  Buffer.concat(
    fields.map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)])),
  );

/** A POST of JSON to this path. */
export const post = (path: string): [string, string][] => [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", path],
  [":authority", "x"],
  ["content-type", "application/json"],
];

/** A peer whose frames the test writes, and that acknowledges nothing. */
export async function rawPeer(port: number, bytes: Buffer = PREFACE) {
  const socket: Socket = connect(port, "127.0.0.1");
  const frames: Frame[] = [];
  let rest: Buffer = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3);
      const payload = rest.subarray(9, end);
      frames.push({ type: rest.readUInt8(3), stream: rest.readUInt32BE(5), payload });
      rest = rest.subarray(end);
    }
  });
  await once(socket, "connect");
  socket.write(bytes);
  return { socket, frames: frames as readonly Frame[] };
}
