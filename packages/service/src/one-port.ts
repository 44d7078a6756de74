import http, { type RequestListener } from "node:http";
import http2, { type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";

const HTTP2_PREFACE = Buffer.from("PRI");

/** Limits of one listener; the production values are `hardenedLimits`. Times in milliseconds. */
export interface PortLimits {
  readonly firstByteTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly connectionsCheckingIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxConnections: number;
  readonly maxConcurrentStreams: number;
  readonly maxHeaderBytes: number;
  /** MiB of memory that one HTTP/2 session may hold. */
  readonly maxSessionMemory: number;
  /** A connection may reset this many streams at once, and this many more each second (CVE-2023-44487). */
  readonly streamResetBurst: number;
  readonly streamResetRate: number;
}

export const hardenedLimits: PortLimits = {
  firstByteTimeoutMs: 2_000,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  connectionsCheckingIntervalMs: 1_000,
  keepAliveTimeoutMs: 60_000,
  maxConnections: 2_000,
  maxConcurrentStreams: 128,
  maxHeaderBytes: 16_384,
  maxSessionMemory: 4,
  streamResetBurst: 200,
  streamResetRate: 20,
};

export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
  /** Certificates of the authorities whose clients may connect; when given, a client without a certificate is refused. */
  readonly clientCa?: string;
}

/** A listening server that speaks HTTP/1.1 and HTTP/2 on one port. */
export interface OnePort {
  readonly server: http.Server;
  /** Sends GOAWAY to every HTTP/2 session and keeps closing idle HTTP/1.1 connections until the server is closed; calls in flight finish. */
  drain(): void;
}

/** Cleartext, or TLS with ALPN when a certificate is given. */
export function createOnePort(handler: RequestListener, limits: PortLimits, tls?: TlsOptions): OnePort {
  return tls === undefined ? cleartext(handler, limits) : secure(handler, limits, tls);
}

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
    settings: { maxConcurrentStreams: limits.maxConcurrentStreams, maxHeaderListSize: limits.maxHeaderBytes },
    maxSessionMemory: limits.maxSessionMemory,
    streamResetBurst: limits.streamResetBurst,
    streamResetRate: limits.streamResetRate,
  };
}

/**
 * Node has no cleartext server for both protocols. The http.Server listens, so that its own timeouts and idle tracking work; its connection listener is
 * taken off, and each socket goes to HTTP/2 when it begins with the preface, else back to that listener.
 */
function cleartext(handler: RequestListener, limits: PortLimits): OnePort {
  const server = http.createServer(http1Options(limits), handler);
  const h2 = http2.createServer(http2Options(limits), handler as never);
  server.maxConnections = limits.maxConnections;
  const sessions = trackSessions(h2, limits);
  const [serveHttp1] = server.listeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    decideProtocol(socket, limits.firstByteTimeoutMs, (isHttp2) => {
      if (isHttp2) h2.emit("connection", socket);
      else serveHttp1?.call(server, socket);
    });
  });
  return { server, drain: () => drain(server, sessions) };
}

function secure(handler: RequestListener, limits: PortLimits, tls: TlsOptions): OnePort {
  const clientAuth = tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true };
  const options = { ...http1Options(limits), ...http2Options(limits), ...clientAuth, allowHTTP1: true, cert: tls.cert, key: tls.key };
  const server = http2.createSecureServer(options, handler as never);
  server.maxConnections = limits.maxConnections;
  const sessions = trackSessions(server, limits);
  // Fastify and the type of `server` want an http.Server; the secure server has what both use of it.
  const asHttp = server as unknown as http.Server;
  return { server: asHttp, drain: () => drain(asHttp, sessions) };
}

/** Reads until the first bytes tell the protocol, puts them back, and says which; a socket silent for too long is closed. */
function decideProtocol(socket: Socket, timeoutMs: number, decided: (isHttp2: boolean) => void): void {
  const silent = setTimeout(() => socket.destroy(), timeoutMs);
  let head: Buffer = Buffer.alloc(0);
  const ignoreError = () => {};
  const onReadable = () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const seen = head.subarray(0, HTTP2_PREFACE.length);
    const maybeHttp2 = seen.equals(HTTP2_PREFACE.subarray(0, seen.length));
    if (maybeHttp2 && seen.length < HTTP2_PREFACE.length) return;
    clearTimeout(silent);
    socket.off("readable", onReadable);
    socket.unshift(head);
    decided(maybeHttp2);
  };
  socket.on("error", ignoreError);
  socket.once("close", () => clearTimeout(silent));
  socket.on("readable", onReadable);
}

function trackSessions(server: http2.Http2Server | http2.Http2SecureServer, limits: PortLimits): Set<ServerHttp2Session> {
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    session.setTimeout(limits.keepAliveTimeoutMs, () => session.close());
    session.once("close", () => sessions.delete(session));
  });
  // A peer that breaks the protocol ends its own session; without a listener it would end the process.
  server.on("sessionError", () => {});
  return sessions;
}

function drain(server: http.Server, sessions: Set<ServerHttp2Session>): void {
  for (const session of sessions) session.close();
  // A keep-alive connection that is busy now becomes idle later and would hold the port for its whole keep-alive time.
  const sweep = setInterval(() => server.closeIdleConnections?.(), 100);
  server.once("close", () => clearInterval(sweep));
}
