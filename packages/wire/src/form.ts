import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import {
  type Compression,
  compressionNegotiate,
  contentTypeGrpcJson,
  contentTypeGrpcProto,
  contentTypeGrpcWebJson,
  contentTypeGrpcWebProto,
  contentTypeUnaryJson,
  contentTypeUnaryProto,
  parseConnectTimeout,
  parseGrpcTimeout,
} from "./protocol.ts";

export type NodeRequest = IncomingMessage | Http2ServerRequest;

/** What differs between the protocols. */
interface Protocol {
  readonly name: "grpc" | "grpc-web" | "connect";
  /** Whether a message has a prefix of its length. */
  readonly isEnveloped: boolean;
  readonly encodingHeader: string;
  readonly acceptEncodingHeader: string;
  readonly timeoutHeader: string;
  readonly parseTimeout: typeof parseGrpcTimeout;
}

/** The form of a request and its response. */
export interface Form {
  readonly protocol: Protocol;
  readonly isBinary: boolean;
  /** Of the response. */
  readonly contentType: string;
}

const GRPC: Protocol = {
  name: "grpc",
  isEnveloped: true,
  encodingHeader: "grpc-encoding",
  acceptEncodingHeader: "grpc-accept-encoding",
  timeoutHeader: "grpc-timeout",
  parseTimeout: parseGrpcTimeout,
};
const GRPC_WEB: Protocol = { ...GRPC, name: "grpc-web" };
const CONNECT: Protocol = {
  name: "connect",
  isEnveloped: false,
  encodingHeader: "content-encoding",
  acceptEncodingHeader: "accept-encoding",
  timeoutHeader: "connect-timeout-ms",
  parseTimeout: parseConnectTimeout,
};

const binary = (protocol: Protocol, contentType: string): Form => ({
  protocol,
  isBinary: true,
  contentType,
});
const json = (protocol: Protocol, contentType: string): Form => ({
  protocol,
  isBinary: false,
  contentType,
});

/** By the content type of the request, exactly. */
const forms: ReadonlyMap<string | undefined, Form> = new Map([
  ["application/grpc", binary(GRPC, contentTypeGrpcProto)],
  ["application/grpc+proto", binary(GRPC, contentTypeGrpcProto)],
  ["application/grpc+json", json(GRPC, contentTypeGrpcJson)],
  ["application/grpc-web", binary(GRPC_WEB, contentTypeGrpcWebProto)],
  ["application/grpc-web+proto", binary(GRPC_WEB, contentTypeGrpcWebProto)],
  ["application/grpc-web+json", json(GRPC_WEB, contentTypeGrpcWebJson)],
  ["application/proto", binary(CONNECT, contentTypeUnaryProto)],
  ["application/json", json(CONNECT, contentTypeUnaryJson)],
]);

export const PREFIX_BYTES = 5;

export interface RequestLimits {
  readonly acceptCompression: readonly Compression[];
  /** Of a message. */
  readonly readMaxBytes: number;
  readonly maxTimeoutMs: number;
}

/** A request that can take the short way. */
export interface PlainRequest {
  readonly form: Form;
  readonly timeoutMs: number | undefined;
  readonly compression: Compression | null;
  /** As promised by `content-length`. */
  readonly length: number | undefined;
}

/**
 * Returns what the headers of a request to `path` say, or undefined if there is anything about them
 * that only Connect's own handler knows.
 */
export function plainRequest(
  request: NodeRequest,
  path: string,
  { acceptCompression, readMaxBytes, maxTimeoutMs }: RequestLimits,
): PlainRequest | undefined {
  const { headers } = request;
  if (request.method !== "POST" || request.url !== path) return undefined;
  const form = forms.get(headers["content-type"]);
  if (form === undefined || !isAuthority(authorityOf(request))) return undefined;
  const { protocol } = form;
  if (protocol === GRPC && request.httpVersionMajor !== 2) return undefined;
  const encoding = headers[protocol.encodingHeader];
  if (encoding !== undefined && encoding !== "identity") return undefined;
  const length = lengthOf(headers["content-length"]);
  const maxLength = readMaxBytes + (protocol.isEnveloped ? PREFIX_BYTES : 0);
  if (length !== undefined && !(length <= maxLength)) return undefined;
  const timeout = protocol.parseTimeout(
    (headers[protocol.timeoutHeader] as string | undefined) ?? null,
    maxTimeoutMs,
  ) as { readonly timeoutMs?: number; readonly error?: ConnectError };
  if (timeout.error !== undefined) return undefined;
  const accepted = headers[protocol.acceptEncodingHeader] as string | undefined;
  const { response } =
    accepted === undefined
      ? { response: null }
      : compressionNegotiate([...acceptCompression], null, accepted, protocol.acceptEncodingHeader);
  return { form, timeoutMs: timeout.timeoutMs, compression: response, length };
}

const authorityOf = (request: NodeRequest): string | undefined =>
  "authority" in request ? request.authority : request.headers.host;

export const urlOf = (request: NodeRequest): string => {
  const scheme = "encrypted" in request.socket ? "https" : "http";
  return new URL(request.url ?? "", `${scheme}://${authorityOf(request)}`).toString();
};

const isAuthority = (authority: string | undefined): boolean =>
  authority !== undefined && URL.canParse(`http://${authority}`);

/** NaN, which is within no limit, if it is no length. */
const lengthOf = (given: string | undefined): number | undefined => {
  if (given === undefined) return undefined;
  return /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN;
};
