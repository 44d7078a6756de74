import type {
  IncomingHttpHeaders as Http1Headers,
  IncomingMessage,
  ServerResponse,
} from "node:http";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Duplex, Readable } from "node:stream";

export type Headers = Record<string, string>;

/** A request and the destination of its response, over either version of HTTP. */
export interface Exchange {
  readonly version: 1 | 2;
  readonly method: string;
  readonly target: string;
  readonly headers: Headers;
  readonly clientIp: string;
  readonly body: Readable;
  /** Closes when the caller disconnects; takes the response's body. */
  readonly duplex: Duplex;
  readonly headersSent: boolean;
  respond(status: number, headers: Headers): void;
  trailers(trailers: Headers): void;
}

export function overHttp1(request: IncomingMessage, response: ServerResponse): Exchange {
  return {
    version: 1,
    method: request.method ?? "",
    target: request.url ?? "",
    headers: flat(request.headers),
    clientIp: request.socket.remoteAddress ?? "",
    body: request,
    duplex: response as unknown as Duplex,
    get headersSent() {
      return response.headersSent;
    },
    respond: (status, headers) => void response.writeHead(status, headers),
    trailers: () => {},
  };
}

export function overHttp2(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Exchange {
  let last: Headers = {};
  stream.on("error", () => {});
  return {
    version: 2,
    method: headers[":method"] ?? "",
    target: headers[":path"] ?? "",
    headers: flat(headers),
    clientIp: stream.session?.socket.remoteAddress ?? "",
    body: stream,
    duplex: stream,
    get headersSent() {
      return stream.headersSent;
    },
    respond: (status, answer) => {
      stream.on("wantTrailers", () => stream.sendTrailers(last));
      stream.respond({ ...answer, ":status": status }, { waitForTrailers: true });
    },
    trailers: (trailers) => {
      last = trailers;
    },
  };
}

/** Hop-by-hop headers. `te` too: Kong sets its own. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "te",
];

/** End-to-end headers, one text each, without the pseudo headers of HTTP/2. */
export function flat(headers: Http1Headers | IncomingHttpHeaders): Headers {
  const ours = (name: string) => !name.startsWith(":") && !HOP_BY_HOP.includes(name);
  const kept = Object.entries(headers).filter(([name, value]) => value !== undefined && ours(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}
