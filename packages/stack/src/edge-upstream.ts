import http, { type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import http2, { type ClientHttp2Session, constants } from "node:http2";
import type { Readable, Writable } from "node:stream";

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  /** Whether a body follows; only for HTTP/2, where the headers say so. */
  readonly hasBody: boolean;
}

/** A call in transit. */
export interface Exchange {
  /** Takes the body of the request. */
  readonly request: Writable;
  /** Rejects if no response comes. */
  readonly reply: Promise<Reply>;
  abort(): void;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
  /** The headers are all of it: in gRPC they contain the status. */
  readonly headersOnly: boolean;
  /** Whether the whole body has arrived; known when it ends. */
  intact(): boolean;
  trailers(): OutgoingHttpHeaders;
}

/** As many as connections to the edge. */
const MAX_CALLS = 2_000;
const MAX_IDLE_CONNECTIONS = 256;
/** Below the limit of a service, 128: a call over it would wait. */
const STREAMS_PER_SESSION = 100;

interface Session {
  readonly http2: ClientHttp2Session;
  streams: number;
}

/**
 * The connections to one service. A call goes on in the version of HTTP in which it came: gRPC
 * needs the trailers of HTTP/2.
 */
export class Upstream {
  readonly #url: URL;
  readonly #maxCalls: number;
  readonly #agent = new http.Agent({
    keepAlive: true,
    maxFreeSockets: MAX_IDLE_CONNECTIONS,
    scheduling: "lifo",
  });
  readonly #sessions = new Set<Session>();
  #calls = 0;

  constructor(url: string, maxCalls = MAX_CALLS) {
    this.#url = new URL(url);
    this.#maxCalls = maxCalls;
  }

  /** Returns undefined if too many calls are in flight. */
  open(httpVersion: 1 | 2, call: Call): Exchange | undefined {
    if (this.#calls >= this.#maxCalls) return undefined;
    this.#calls++;
    const exchange = httpVersion === 2 ? this.#overHttp2(call) : this.#overHttp1(call);
    exchange.request.once("close", () => this.#calls--);
    return exchange;
  }

  close(): void {
    this.#agent.destroy();
    for (const { http2 } of this.#sessions) http2.destroy();
  }

  #overHttp1({ method, path, headers }: Call): Exchange {
    const { promise: reply, resolve, reject } = Promise.withResolvers<Reply>();
    const { hostname, port, host } = this.#url;
    const request = http.request({
      agent: this.#agent,
      host: hostname,
      port,
      method,
      path,
      headers: { ...headers, host },
    });
    request.once("response", (response) =>
      resolve({
        status: response.statusCode ?? 502,
        headers: response.headers,
        body: response,
        headersOnly: false,
        intact: () => response.complete,
        trailers: () => response.trailers,
      }),
    );
    request.on("error", reject).once("close", () => reject(closedEarly()));
    return { request, reply, abort: () => void request.destroy() };
  }

  #overHttp2({ method, path, headers, hasBody }: Call): Exchange {
    const { promise: reply, resolve, reject } = Promise.withResolvers<Reply>();
    const { host: _, ...fields } = headers;
    const session = this.#session();
    session.streams++;
    const pseudo = {
      ":method": method,
      ":path": path,
      ":scheme": "http",
      ":authority": this.#url.host,
    };
    const stream = session.http2.request({ ...pseudo, ...fields }, { endStream: !hasBody });
    let trailers: OutgoingHttpHeaders = {};
    stream.once("trailers", (fields) => {
      trailers = endOfMessage(fields);
    });
    stream.once("response", (fields, flags) =>
      resolve({
        status: fields[":status"] ?? 502,
        headers: fields,
        body: stream,
        headersOnly: (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0,
        intact: () => stream.rstCode === constants.NGHTTP2_NO_ERROR,
        trailers: () => trailers,
      }),
    );
    stream.on("error", reject).once("close", () => {
      session.streams--;
      reject(closedEarly());
    });
    // A stream whose session has not connected yet cannot be reset.
    const abort = () =>
      stream.pending ? void stream.destroy() : stream.close(constants.NGHTTP2_CANCEL);
    return { request: stream, reply, abort };
  }

  /** Returns a session with room for a call. */
  #session(): Session {
    for (const session of this.#sessions) if (session.streams < STREAMS_PER_SESSION) return session;
    const session = { http2: http2.connect(this.#url), streams: 0 };
    this.#sessions.add(session);
    const retire = () => void this.#sessions.delete(session);
    // Calls on it get the error, and finish after a GOAWAY.
    session.http2.on("error", retire).once("goaway", retire).once("close", retire);
    return session;
  }
}

const closedEarly = () => new Error("the connection closed before the response");

const endOfMessage = (fields: IncomingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !name.startsWith(":")));
