import { isUtf8 } from "node:buffer";
import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  fromJsonString,
  type JsonReadOptions,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Compression,
  compressedFlag,
  type EnvelopedMessage,
  encodeEnvelope,
  getJsonOptions,
  pipe,
  readAllBytes,
  transformSplitEnvelope,
  type UniversalServerRequest,
} from "@connectrpc/connect/protocol";
import { boundBinary, boundJson } from "./message-bounds.ts";

export interface BoundedRequestOptions {
  /** Of one message, after decompression. */
  readonly readMaxBytes: number;
  readonly compressions: readonly Compression[];
  readonly jsonOptions: Partial<JsonReadOptions>;
  /** Is notified of each message that is refused here, where no interceptor sees it. */
  readonly onRefusal: (error: ConnectError) => void;
}

/** Decodes one message. Throws `invalid_argument` if it is damaged or exceeds a bound. */
type Read = (message: Uint8Array) => Message;

/** What an error quotes of a decoder's message, which quotes the request. */
const MAX_QUOTED_CHARS = 300;
const JSON_TYPE = /^application\/(?:(?:connect|grpc|grpc-web)\+)?json/i;
const UNARY_TYPE = /^application\/(?:json|proto)\b/i;

type Bytes = AsyncIterable<Uint8Array>;

/**
 * Returns the request with a body that throws `invalid_argument` for a message that is damaged, or
 * has more values than `boundBinary` and `boundJson` allow. Connect would build the whole message
 * first, and calls most damage `internal`. The body is read when Connect reads it: after the gate.
 */
export async function boundedRequest(
  request: UniversalServerRequest,
  method: DescMethod,
  options: BoundedRequestOptions,
): Promise<UniversalServerRequest> {
  const { body, header } = request;
  if (request.method === "GET") return boundedGet(request, method, options);
  if (!isBytes(body)) return request;
  const type = header.get("content-type") ?? "";
  const check = messageReader(method.input, !JSON_TYPE.test(type), options);
  return UNARY_TYPE.test(type)
    ? { ...request, ...unaryBody(body, header, check, options) }
    : { ...request, body: checkedEnvelopes(body, header, check, options) };
}

/** Whether a request has a body that is still to be read. */
export const isBytes = (body: UniversalServerRequest["body"]): body is Bytes =>
  typeof body === "object" && body !== null && Symbol.asyncIterator in body;

function unaryBody(body: Bytes, given: Headers, check: Read, options: BoundedRequestOptions) {
  const length = given.get("content-length");
  const compression = find(given.get("content-encoding"), options);
  const header = compression === undefined ? given : new Headers(given);
  if (compression !== undefined) {
    header.delete("content-encoding");
    header.delete("content-length");
    // Without this field, Connect compresses the response as its request was.
    if (!header.has("accept-encoding")) header.set("accept-encoding", compression.name);
  }
  async function* checked() {
    const reading = () => readAllBytes(body, options.readMaxBytes, length);
    const bytes = await notifying(options, reading);
    yield await read(bytes, compression, check, options);
  }
  return { header, body: checked() };
}

async function* checkedEnvelopes(
  body: Bytes,
  header: Headers,
  check: Read,
  options: BoundedRequestOptions,
): Bytes {
  const encoding = header.get("grpc-encoding") ?? header.get("connect-content-encoding");
  const compression = find(encoding, options);
  const envelopes = pipe(body, transformSplitEnvelope(options.readMaxBytes));
  const source = envelopes[Symbol.asyncIterator]();
  for (;;) {
    const step = await notifying(options, () => source.next());
    if (step.done) return;
    yield await checkedEnvelope(step.value, compression, check, options);
  }
}

async function checkedEnvelope(
  { flags, data }: EnvelopedMessage,
  compression: Compression | undefined,
  check: Read,
  options: BoundedRequestOptions,
): Promise<Uint8Array> {
  const compressed = (flags & compressedFlag) !== 0;
  // Connect refuses compressed data without an encoding, and any flag that it does not know.
  if (compressed && compression === undefined) return encodeEnvelope(flags, data);
  const message = await read(data, compressed ? compression : undefined, check, options);
  return encodeEnvelope(flags & ~compressedFlag, message);
}

/**
 * A message in the URL is checked before the gate, as the headers are. If it is refused, a body
 * takes its place, so that the error comes after the gate's and in the form of the protocol.
 */
async function boundedGet(
  request: UniversalServerRequest,
  method: DescMethod,
  options: BoundedRequestOptions,
): Promise<UniversalServerRequest> {
  const { searchParams } = new URL(request.url);
  const encoding = searchParams.get("encoding");
  const compression = searchParams.get("compression");
  if (method.idempotency !== Idempotency.NO_SIDE_EFFECTS) return request;
  if (encoding !== "json" && encoding !== "proto") return request;
  if (compression !== null && find(compression, options) === undefined) return request;
  let refusal: ConnectError | undefined;
  const onRefusal = (error: ConnectError) => {
    refusal = error;
  };
  const notified = { ...options, onRefusal };
  const text = searchParams.get("message") ?? "";
  const check = messageReader(method.input, encoding === "proto", options);
  const decode = async () =>
    searchParams.get("base64") === "1" ? base64Decode(text) : new TextEncoder().encode(text);
  await refusing(notified, decode)
    .then((bytes) => read(bytes, find(compression, options), check, notified))
    .catch(() => {});
  if (refusal === undefined) return request;
  const header = new Headers(request.header);
  header.set("content-type", `application/${encoding}`);
  return { ...request, method: "POST", header, body: refusedBody(refusal, options) };
}

// biome-ignore lint/correctness/useYield: reading it fails.
async function* refusedBody(refusal: ConnectError, { onRefusal }: BoundedRequestOptions): Bytes {
  onRefusal(refusal);
  throw refusal;
}

const find = (
  encoding: string | null,
  { compressions }: BoundedRequestOptions,
): Compression | undefined => compressions.find(({ name }) => name === encoding);

/** Returns the decompressed message if it passes the check. */
const read = (
  bytes: Uint8Array,
  compression: Compression | undefined,
  check: Read,
  options: BoundedRequestOptions,
): Promise<Uint8Array> =>
  refusing(options, async () => {
    const message =
      compression === undefined ? bytes : await decompress(bytes, compression, options);
    check(message);
    return message;
  });

async function decompress(
  bytes: Uint8Array,
  compression: Compression,
  { readMaxBytes }: BoundedRequestOptions,
): Promise<Uint8Array> {
  try {
    return await compression.decompress(bytes as Uint8Array<ArrayBuffer>, readMaxBytes);
  } catch (error) {
    if (ConnectError.from(error).code === Code.ResourceExhausted) throw error;
    throw new Error(`it is not ${compression.name}`, { cause: error });
  }
}

const refusing = <T>(options: BoundedRequestOptions, work: () => Promise<T>): Promise<T> =>
  notifying(options, async () => {
    try {
      return await work();
    } catch (error) {
      throw unreadable(error);
    }
  });

/** Notifies of what fails before a message is read. */
async function notifying<T>({ onRefusal }: BoundedRequestOptions, work: () => Promise<T>) {
  try {
    return await work();
  } catch (error) {
    onRefusal(ConnectError.from(error));
    throw error;
  }
}

/** Returns the error of a message that `messageReader` does not accept. */
export const unreadable = (error: unknown): ConnectError =>
  error instanceof ConnectError
    ? error
    : new ConnectError(
        `the message cannot be read: ${(error as Error).message.slice(0, MAX_QUOTED_CHARS)}`,
        Code.InvalidArgument,
        undefined,
        undefined,
        error,
      );

/**
 * Returns a function that reads a message: it checks its bounds, then decodes it, since a decoder
 * knows best what is damaged.
 */
export function messageReader(
  desc: DescMessage,
  isBinary: boolean,
  { jsonOptions }: Pick<BoundedRequestOptions, "jsonOptions">,
): Read {
  return isBinary ? binaryReader(desc) : jsonReader(desc, jsonOptions);
}

const binaryReader =
  (desc: DescMessage): Read =>
  (message) => {
    boundBinary(desc, message);
    return fromBinary(desc, message);
  };

function jsonReader(desc: DescMessage, jsonOptions: Partial<JsonReadOptions>): Read {
  const options = getJsonOptions(jsonOptions) as Partial<JsonReadOptions>;
  return (message) => {
    const text = textOf(message);
    boundJson(desc, JSON.parse(text) as JsonValue);
    // It refuses a key that is there twice.
    return fromJsonString(desc, text, options);
  };
}

const BYTE_ORDER_MARK = "\uFEFF";

/** Returns the text of bytes in UTF-8, without a byte order mark. */
function textOf(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new TypeError("it is not valid UTF-8");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
}
