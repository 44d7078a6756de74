import http, { type RequestListener } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Http2Sessions, jittered } from "./http2-sessions.ts";

const HTTP2_PREFACE = Buffer.from("PRI");

/** Limits of one listener. */
export interface PortLimits {
  readonly firstByteTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly connectionsCheckingIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
  /**
   * A connection of this age, varied by a fifth, is closed after its last call, so that new
   * replicas get load from long-lived clients.
   */
  readonly maxConnectionAgeMs: number;
  readonly maxConnections: number;
  readonly maxConcurrentStreams: number;
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
  /** When each HTTP/1.1 connection reaches its maximal age. */
  const retireAt = new WeakMap<Socket, number>();
  const http1Handler: RequestListener = (request, response) => {
    if (retired || performance.now() > (retireAt.get(request.socket) ?? 0))
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
  // Without a listener, a peer that violates the protocol would end the process.
  h2.on("sessionError", () => {});
  const connected = tls === undefined ? "connection" : "secureConnection";
  const [serveHttp1] = server.listeners(connected) as ((socket: Socket) => void)[];
  server.removeAllListeners(connected);
  const serve = (socket: Socket, isHttp2: boolean) => {
    if (isHttp2) {
      // Emits "session" before it returns.
      accepted = socket;
      return void h2.emit("connection", socket);
    }
    retireAt.set(socket, performance.now() + jittered(limits.maxConnectionAgeMs));
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
  const timer = setTimeout(drop, timeoutMs);
  const release = () => {
    clearTimeout(timer);
    socket.off("readable", onReadable).off("end", drop).off("error", drop).off("close", release);
  };
  socket.on("readable", onReadable).on("end", drop).on("error", drop).on("close", release);
}
