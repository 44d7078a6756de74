import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { Code } from "@connectrpc/connect";
import { parseTimeout as parseConnectTimeout } from "@connectrpc/connect/protocol-connect";
import { parseTimeout as parseGrpcTimeout } from "@connectrpc/connect/protocol-grpc";
import { breakOff, type Refusal, refuse } from "@tercet/service";
import { responseHeaders } from "./edge-headers.ts";
import type { Exchange, Reply } from "./edge-upstream.ts";

export interface Forwarding {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly exchange: Exchange;
  /** Headers of the response that are the edge's. */
  readonly headers: OutgoingHttpHeaders;
  /** "the order service" */
  readonly service: string;
}

/** For the headers of a response to a call without a deadline; longer than a service takes. */
const RESPONSE_TIMEOUT_MS = 35_000;
/** The service reports a deadline first, if it can. */
const GRACE_MS = 100;
/** Above any deadline that a service accepts (MAX_TIMEOUT_MS). */
const MAX_DEADLINE_MS = 3_600_000;

/**
 * Passes a request and its response on as they arrive, without buffering: a slow reader slows its
 * writer down. If either side goes away, the other one is closed. The caller's deadline ends the
 * call even if the service does not respond.
 */
export function forward({ request, response, exchange, headers, service }: Forwarding): void {
  let complete = false;
  let closed = false;
  const fail = (refusal: Refusal) => {
    clearTimeout(timer);
    exchange.abort();
    if (closed || response.writableEnded) return;
    if (response.headersSent) breakOff(request, response, refusal);
    else refuse(request, response, refusal, headers);
  };
  const deadlineMs = deadlineOf(request);
  const timer = setTimeout(
    () => fail({ code: Code.DeadlineExceeded, message: `${service} did not respond in time` }),
    deadlineMs ?? RESPONSE_TIMEOUT_MS,
  );
  const unreachable = () =>
    fail({
      code: Code.Unavailable,
      message: `${service} cannot be reached at the moment; try again`,
    });

  request.on("error", () => {});
  request.pipe(exchange.request);
  response.once("close", () => {
    closed = true;
    clearTimeout(timer);
    // What follows of the body is discarded.
    request.unpipe(exchange.request).resume();
    if (!complete || !exchange.request.writableEnded) exchange.abort();
  });
  exchange.reply.then((reply) => {
    reply.body.on("error", () => {});
    if (closed || response.headersSent) return;
    // A stream without a deadline may be silent for any time.
    if (deadlineMs === undefined) clearTimeout(timer);
    passOn(
      reply,
      response,
      headers,
      () => {
        complete = true;
        clearTimeout(timer);
      },
      unreachable,
    );
  }, unreachable);
}

function passOn(
  { status, headers, body, headersOnly, intact, trailers }: Reply,
  response: ServerResponse,
  own: OutgoingHttpHeaders,
  onEnd: () => void,
  onBroken: () => void,
): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(responseHeaders(headers, own)))
    if (value !== undefined) response.setHeader(name, value);
  let ended = false;
  body.once("close", () => {
    if (!ended) onBroken();
  });
  body.once("end", () => {
    if (!intact()) return;
    ended = true;
    onEnd();
    if (!headersOnly) response.addTrailers(trailers() as Record<string, string>);
    response.end();
  });
  if (headersOnly) return void body.resume();
  // Of a response whose length is not known, the body may come much later.
  if (headers["content-length"] === undefined) response.flushHeaders();
  body.pipe(response, { end: false });
}

/** Returns the milliseconds until the call ends; undefined if it names no deadline. */
function deadlineOf({ headers }: IncomingMessage): number | undefined {
  const text = (name: string) => headers[name]?.toString() ?? null;
  const { timeoutMs } = (headers["content-type"] ?? "").startsWith("application/grpc")
    ? parseGrpcTimeout(text("grpc-timeout"), MAX_DEADLINE_MS)
    : parseConnectTimeout(text("connect-timeout-ms"), MAX_DEADLINE_MS);
  return timeoutMs === undefined ? undefined : Math.min(timeoutMs, MAX_DEADLINE_MS) + GRACE_MS;
}
