import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";

/** What is said of a request that no handler sees. */
export interface Answer {
  readonly status: number;
  readonly code: Code;
  readonly message: string;
}

/** As Connect writes errors. */
export const bodyOf = ({ code, message }: Answer): string =>
  JSON.stringify({ code: codeToString(code), message });

export const FIELDS_TOO_LARGE: Answer = {
  status: 431,
  code: Code.ResourceExhausted,
  message: "the header fields are too large",
};

const INVALID: Answer = {
  status: 400,
  code: Code.InvalidArgument,
  message: "the request is not valid HTTP",
};

/** By the code of Node's error. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  HPE_HEADER_OVERFLOW: FIELDS_TOO_LARGE,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    code: Code.ResourceExhausted,
    message: "the extension of a chunk is too large",
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: Code.DeadlineExceeded,
    message: "the request took too long to arrive",
  },
};

/** Responds to a request over HTTP/1.1 that Node could not parse, and closes its connection. */
export function refuseUnparsed(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  const answer = ANSWERS[error.code ?? ""] ?? INVALID;
  const body = bodyOf(answer);
  const head = [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  if (socket.writable) socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
  socket.destroy(error);
}
