import http, { type RequestListener } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Http2Sessions, jittered } from "./http2-sessions.ts";

const HTTP2_PREFACE = Buffer.from("PRI");

/** Limits of one listener; the production values are `hardenedLimits`. Times in milliseconds. */
export interface PortLimits {
  readonly firstByteTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly connectionsCheckingIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
  /**
   * A connection this old, a fifth more or less, is closed when its calls have ended, so that new
   * replicas receive load from clients that keep theirs.
   */
  readonly maxConnectionAgeMs: number;
  readonly maxConnections: number;
  readonly maxConcurrentStreams: number;
  readonly maxHeaderBytes: number;
  /** MiB of memory that one HTTP/2 session may hold. */
  readonly maxSessionMemory: number;
  /**
   * A connection may reset this many streams at once, and this many more each second
   * (CVE-2023-44487).
   */
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
  /**
   * Certificates of the authorities whose clients may connect; when given, a client without a
   * certificate is refused.
   */
  readonly clientCa?: string;
}

/** A server that speaks HTTP/1.1 and HTTP/2 on one port. */
export interface OnePort {
  readonly server: http.Server;
  /**
   * From now on an answer over HTTP/1.1 is the last one on its connection, so that few are left
   * when the port closes.
   */
  retire(): void;
  /**
   * Sends GOAWAY to every HTTP/2 session and keeps closing idle HTTP/1.1 connections until the
   * server is closed; calls in flight finish.
   */
  drain(): void;
  /** Ends every connection, whatever is in flight. */
  destroy(): void;
}

/**
 * Cleartext, or TLS with ALPN when a certificate is given. Node has no cleartext server for both
 * protocols, and its secure one keeps the two protocols' limits apart; so an HTTP/1.1 server
 * listens, whose own timeouts and idle tracking then work, its connection listener is taken off,
 * and each connection goes to HTTP/2 when it asks for it, else back to that listener.
 */
export function createOnePort(
  handler: RequestListener,
  limits: PortLimits,
  tls?: TlsOptions,
): OnePort {
  let retired = false;
  /** When each HTTP/1.1 connection is old, on the clock of `performance.now()`. */
  const oldAt = new WeakMap<Socket, number>();
  const http1Handler: RequestListener = (request, response) => {
    if (retired || performance.now() > (oldAt.get(request.socket) ?? 0))
      response.setHeader("connection", "close");
    handler(request, response);
  };
  const server =
    tls === undefined
      ? http.createServer(http1Options(limits), http1Handler)
      : https.createServer(secureOptions(limits, tls), http1Handler);
  const h2 = http2.createServer(http2Options(limits), handler as never);
  server.maxConnections = limits.maxConnections;
  const sessions = new Http2Sessions(limits);
  let accepted: Socket;
  h2.on("session", (session) => sessions.add(session, tls === undefined ? accepted : undefined));
  // A peer that breaks the protocol ends its own session; without a listener it would end the
  // process.
  h2.on("sessionError", () => {});
  const connected = tls === undefined ? "connection" : "secureConnection";
  const [serveHttp1] = server.listeners(connected) as ((socket: Socket) => void)[];
  server.removeAllListeners(connected);
  const serve = (socket: Socket, isHttp2: boolean) => {
    if (isHttp2) {
      // Its session is made, and announced, before this returns.
      accepted = socket;
      return void h2.emit("connection", socket);
    }
    oldAt.set(socket, performance.now() + jittered(limits.maxConnectionAgeMs));
    serveHttp1?.call(server, socket);
  };
  if (tls === undefined)
    server.on(connected, (socket: Socket) =>
      decideProtocol(socket, limits.firstByteTimeoutMs, serve),
    );
  else server.on(connected, (socket: TLSSocket) => serve(socket, socket.alpnProtocol === "h2"));
  return {
    server,
    retire: () => {
      retired = true;
    },
    drain: () => {
      sessions.close();
      // A keep-alive connection that is busy now becomes idle later and would hold the port for its
      // whole keep-alive time. Not in the timer's own phase of the event loop, but after the next
      // one, which reads: a request that has come already must not be met by a closed connection.
      const sweep = setInterval(() => setImmediate(() => server.closeIdleConnections()), 100);
      server.once("close", () => clearInterval(sweep));
    },
    destroy: () => {
      sessions.destroy();
      server.closeAllConnections();
    },
  };
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
    settings: {
      maxConcurrentStreams: limits.maxConcurrentStreams,
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

/**
 * Reads until the first bytes tell the protocol, puts them back, and says which; a socket silent
 * for too long is closed.
 */
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
    letGo();
    socket.unshift(head);
    decided(socket, maybeHttp2);
  };
  const drop = () => void socket.destroy();
  const silent = setTimeout(drop, timeoutMs);
  const letGo = () => {
    clearTimeout(silent);
    socket.off("readable", onReadable).off("end", drop).off("error", drop).off("close", letGo);
  };
  socket.on("readable", onReadable).on("end", drop).on("error", drop).on("close", letGo);
}
