import http, { type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import http2, { type Http2ServerRequest } from "node:http2";
import https from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Code } from "@connectrpc/connect";
import { AdmittedConnections, type Allowance, setConnection } from "./connections.ts";
import { Http1Connection } from "./http1-connection.ts";
import { Http2Sessions } from "./http2-sessions.ts";
import { type Answer, bodyOf, FIELDS_TOO_LARGE } from "./unparsed.ts";

const HTTP2_PREFACE = Buffer.from("PRI");

/** Limits of one listener; those of `Allowance` are for callers with a valid token. */
export interface PortLimits extends Allowance {
  /** For connections none of whose calls was authenticated. */
  readonly anonymous: {
    readonly keepAliveTimeoutMs: number;
    readonly maxConnectionAgeMs: number;
    readonly maxConcurrentStreams: number;
  };
  readonly firstByteTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly connectionsCheckingIntervalMs: number;
  /**
   * A connection is cut off, with its calls, when this time has passed since its maximal age. No
   * connection lasts longer, whatever its peer does.
   */
  readonly closeTimeoutMs: number;
  readonly maxConnections: number;
  /** Of one IPv4 address, or one /64 network of IPv6. A gateway is one address. */
  readonly maxConnectionsPerAddress: number;
  /** Connections beyond `maxConnections`, each for one health check in `healthConnectionMs`. */
  readonly healthConnections: number;
  readonly healthConnectionMs: number;
  readonly maxHeaderBytes: number;
  /** MiB per HTTP/2 session. */
  readonly maxSessionMemory: number;
  /** Streams that a connection may reset at once, and per second after that (CVE-2023-44487). */
  readonly streamResetBurst: number;
  readonly streamResetRate: number;
}

export const hardenedLimits: PortLimits = {
  firstByteTimeoutMs: 2_000,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  connectionsCheckingIntervalMs: 1_000,
  keepAliveTimeoutMs: 60_000,
  maxConnectionAgeMs: 300_000,
  closeTimeoutMs: 30_000,
  maxConnections: 2_000,
  maxConnectionsPerAddress: 500,
  healthConnections: 16,
  healthConnectionMs: 2_000,
  maxConcurrentStreams: 128,
  anonymous: { keepAliveTimeoutMs: 20_000, maxConnectionAgeMs: 60_000, maxConcurrentStreams: 100 },
  maxHeaderBytes: 16_384,
  maxSessionMemory: 4,
  streamResetBurst: 200,
  streamResetRate: 20,
};

export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates; if set, clients without a certificate are refused. */
  readonly clientCa?: string;
}

/** A server for HTTP/1.1 and HTTP/2 on one port. */
export interface OnePort {
  readonly server: http.Server;
  /** Closes HTTP/1.1 connections after their next response, so that few are left to drain. */
  retire(): void;
  /** Sends GOAWAY to HTTP/2 sessions and closes HTTP/1.1 connections as they become idle. */
  drain(): void;
  /** Closes every connection, also with calls in flight. */
  destroy(): void;
}

/**
 * Creates the server: cleartext, or TLS with ALPN if `tls` is given. Node has no cleartext server
 * for both protocols, so an HTTP/1.1 server listens, whose timeouts and idle tracking then work.
 * Its connection listener is removed; each connection goes to HTTP/2 or back to that listener.
 */
export function createOnePort(
  handler: RequestListener,
  limits: PortLimits,
  tls?: TlsOptions,
): OnePort {
  let retired = false;
  const admitted = new AdmittedConnections(limits);
  const http1 = new WeakMap<Socket, Http1Connection>();
  const admittedHandler: RequestListener = (request, response) => {
    const forHealth = admitted.isForHealth(request.socket);
    if (forHealth) closeAfter(request);
    if (forHealth && !isHealthCheck(request.url)) refuse(response, PORT_FULL);
    else handler(request, response);
  };
  const http1Handler: RequestListener = (request, response) => {
    if (retired || http1.get(request.socket)?.retired || admitted.isForHealth(request.socket))
      response.setHeader("connection", "close");
    admittedHandler(request, response);
  };
  const server =
    tls === undefined
      ? http.createServer(http1Options(limits), http1Handler)
      : https.createServer(secureOptions(limits, tls), http1Handler);
  const http2Handler: RequestListener = (request, response) => {
    if (sizeOf(request.rawHeaders) > limits.maxHeaderBytes) refuse(response, FIELDS_TOO_LARGE);
    else admittedHandler(request, response);
  };
  const h2 = http2.createServer(http2Options(limits), http2Handler as never);
  const sessions = new Http2Sessions(limits);
  let accepted: Socket;
  h2.on("session", (session) => sessions.add(session, accepted));
  // Without a listener, a peer that violates the protocol would end the process.
  h2.on("sessionError", () => {});
  const connected = tls === undefined ? "connection" : "secureConnection";
  const [serveHttp1] = server.listeners(connected) as ((socket: Socket) => void)[];
  server.removeAllListeners(connected);
  // Before a TLS handshake.
  server.prependListener("connection", (socket: Socket) => admitted.admit(socket));
  const serve = (socket: Socket, isHttp2: boolean) => {
    if (isHttp2) {
      // The server of HTTP/1.1 accepts sockets that outlive the end of what their peer sends.
      socket.allowHalfOpen = false;
      // Emits "session" before it returns.
      accepted = socket;
      return void h2.emit("connection", socket);
    }
    const connection = new Http1Connection(socket, limits);
    http1.set(socket, connection);
    setConnection(socket, connection);
    serveHttp1?.call(server, socket);
  };
  if (tls === undefined)
    server.on(connected, (socket: Socket) => {
      if (!socket.destroyed) decideProtocol(socket, limits.firstByteTimeoutMs, serve);
    });
  else server.on(connected, (socket: TLSSocket) => serve(socket, socket.alpnProtocol === "h2"));
  return {
    server,
    retire: () => {
      retired = true;
    },
    drain: () => {
      sessions.close();
      // A keep-alive connection that is busy now becomes idle later, and would hold the port for
      // its keep-alive time. Closed after the poll phase, which reads requests that have arrived.
      const sweep = setInterval(() => setImmediate(() => server.closeIdleConnections()), 100);
      server.once("close", () => clearInterval(sweep));
    },
    destroy: () => {
      sessions.destroy();
      server.closeAllConnections();
    },
  };
}

const HEALTH_CHECK = /^\/(?:health(?:$|[/?])|grpc\.health\.v1\.Health\/(?:Check|List)$)/;

const isHealthCheck = (url = ""): boolean => HEALTH_CHECK.test(url);

/** Ends an HTTP/2 session after this call. */
function closeAfter(request: IncomingMessage | Http2ServerRequest): void {
  if (!("stream" in request)) return;
  const { session } = request.stream;
  request.stream.once("close", () => session?.close());
}

const PORT_FULL: Answer = {
  status: 503,
  code: Code.Unavailable,
  message: "too many connections; try again",
};

function refuse(response: ServerResponse, answer: Answer): void {
  response.statusCode = answer.status;
  response.setHeader("content-type", "application/json");
  if (answer === PORT_FULL) response.setHeader("retry-after", "1");
  response.end(bodyOf(answer));
}

/** As Node counts them over HTTP/1.1; over HTTP/2 it only tells its peer the limit. */
const sizeOf = (fields: readonly string[]): number =>
  fields.reduce((bytes, field) => bytes + field.length, 0);

function http1Options(limits: PortLimits) {
  return {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.connectionsCheckingIntervalMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxHeaderSize: limits.maxHeaderBytes,
  };
}

function http2Options(limits: PortLimits) {
  return {
    settings: {
      // Of a new session; an authenticated call raises it.
      maxConcurrentStreams: Math.min(
        limits.maxConcurrentStreams,
        limits.anonymous.maxConcurrentStreams,
      ),
      maxHeaderListSize: limits.maxHeaderBytes,
    },
    maxSessionMemory: limits.maxSessionMemory,
    streamResetBurst: limits.streamResetBurst,
    streamResetRate: limits.streamResetRate,
  };
}

function secureOptions(limits: PortLimits, { cert, key, clientCa }: TlsOptions) {
  const clientAuth =
    clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  return {
    ...http1Options(limits),
    ...clientAuth,
    cert,
    key,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: limits.headersTimeoutMs,
  };
}

/** Detects the protocol by the first bytes and puts them back; closes a silent socket. */
function decideProtocol(
  socket: Socket,
  timeoutMs: number,
  decided: (socket: Socket, isHttp2: boolean) => void,
): void {
  let head: Buffer = Buffer.alloc(0);
  const onReadable = () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const seen = head.subarray(0, HTTP2_PREFACE.length);
    const maybeHttp2 = seen.equals(HTTP2_PREFACE.subarray(0, seen.length));
    if (maybeHttp2 && seen.length < HTTP2_PREFACE.length) return;
    release();
    socket.unshift(head);
    decided(socket, maybeHttp2);
  };
  const drop = () => void socket.destroy();
  let late: NodeJS.Immediate | undefined;
  // Timers run before sockets are read: bytes may have come while the event loop was blocked.
  const timer = setTimeout(() => {
    late = setImmediate(drop);
  }, timeoutMs);
  const release = () => {
    clearTimeout(timer);
    clearImmediate(late);
    socket.off("readable", onReadable).off("end", drop).off("error", drop).off("close", release);
  };
  socket.on("readable", onReadable).on("end", drop).on("error", drop).on("close", release);
}
