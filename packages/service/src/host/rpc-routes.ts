import type { OutgoingHttpHeaders } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { Code, ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { codeFromHttpStatus } from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { http2Error, type LeanHandler } from "@tercet/wire";
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from "fastify";
import type { Logger } from "../telemetry/log.ts";
import { accessOf } from "./access.ts";
import { addressKey } from "./address.ts";
import { type BoundedRequestOptions, boundedRequest, isBytes } from "./bounded-request.ts";
import { callKey } from "./call.ts";
import { connectionKey, connectionOf } from "./connections.ts";

const INVALID_AUTHORITY = { code: "invalid_argument", message: "the host is not valid" };

export interface RpcRoutesOptions extends Omit<BoundedRequestOptions, "onRefusal"> {
  readonly handlers: readonly UniversalHandler[];
  /** The short ways of unary methods, by path. */
  readonly lean: ReadonlyMap<string, LeanHandler>;
  /** Whether responses have headers that no handler sets. */
  readonly hasCors: boolean;
  readonly log: Logger;
}

/** How long a shared cache may keep the response of a public method that was called by GET. */
const PUBLIC_CACHE_CONTROL = "public, max-age=5";

/**
 * Serves Connect's handlers by Fastify. It does what `@connectrpc/connect-fastify` does, and bounds
 * each message before it is decoded; what fails while a response is written goes to the log.
 */
export async function rpcRoutes(app: FastifyInstance, options: RpcRoutesOptions): Promise<void> {
  await app.register(async (scope) => {
    // Connect reads the bodies.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null, undefined));
    for (const handler of options.handlers) {
      const lean = options.lean.get(handler.requestPath);
      // The last hook on the headers: what follows in Fastify is about bodies.
      const onRequest: onRequestHookHandler = (request, reply, next) => {
        if (lean === undefined || !serveLean(lean, handler, request, reply, options)) next();
      };
      scope.all(handler.requestPath, { onRequest }, (request, reply) =>
        serve(handler, request.raw, reply, valuesOf(request), options),
      );
    }
  });
}

const valuesOf = ({ raw, ip }: FastifyRequest): ContextValues =>
  createContextValues()
    .set(connectionKey, connectionOf(raw))
    // A connection that has closed has no address.
    .set(addressKey, (ip as string | undefined) ?? "unknown");

function serveLean(
  lean: LeanHandler,
  handler: UniversalHandler,
  given: FastifyRequest,
  reply: FastifyReply,
  options: RpcRoutesOptions,
): boolean {
  const { raw: request } = given;
  const { raw: response } = reply;
  const values = valuesOf(given);
  return lean({
    request,
    response,
    values,
    headers: () => (options.hasCors ? (reply.getHeaders() as OutgoingHttpHeaders) : {}),
    handOver: (body) => void serve(handler, request, reply, values, options, body),
    onUnsent: (error) => destroy(reply, handler, error, options),
  });
}

/** @param body of the request, if it was read from there before */
async function serve(
  handler: UniversalHandler,
  request: FastifyRequest["raw"],
  reply: FastifyReply,
  values: ContextValues,
  options: RpcRoutesOptions,
  body?: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { method } = handler;
  const read = readRequest(request, reply.raw, values);
  if (read === undefined) return void reply.code(400).send(INVALID_AUTHORITY);
  const given = { ...read, body: ofCaller(body ?? read.body, request) };
  const end = (error: ConnectError | undefined) =>
    values.get(callKey).observed?.end(leftBy(request) ?? error);
  let response: UniversalServerResponse | undefined;
  // Of a message that Connect does not read, no interceptor is notified.
  reply.raw.once("close", () => end(response === undefined ? callerIsGone() : errorOf(response)));
  try {
    const bounded = await boundedRequest(given, method, {
      ...options,
      onRefusal: end,
    });
    response = await handler(bounded);
    if (given.method === "GET" && accessOf(method)?.public) makeCacheable(response);
    for (const [name, value] of Object.entries(reply.getHeaders()))
      if (value !== undefined) reply.raw.setHeader(name, value);
    await universalResponseToNodeResponse(
      response.body === undefined ? response : { ...response, body: cancellable(response.body) },
      reply.raw,
    );
  } catch (error) {
    destroy(reply, handler, error, options);
  }
}

const callerIsGone = () => new ConnectError("the caller is gone", Code.Canceled);

/** Returns the error of a request whose caller has left before it was whole. */
function leftBy(request: FastifyRequest["raw"]): ConnectError | undefined {
  const { stream } = request as unknown as Partial<Http2ServerRequest>;
  if (stream !== undefined) return http2Error(stream.rstCode);
  return request.destroyed && !request.complete ? callerIsGone() : undefined;
}

/** The body of a request; a failure to read it is the caller's. */
function ofCaller(
  body: UniversalServerRequest["body"],
  request: FastifyRequest["raw"],
): UniversalServerRequest["body"] {
  return isBytes(body) ? chunksOf(body, request) : body;
}

async function* chunksOf(
  body: AsyncIterable<Uint8Array>,
  request: FastifyRequest["raw"],
): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch {
    throw leftBy(request) ?? callerIsGone();
  }
}

/** Returns the error of a response that has been sent; undefined if it has none. */
function errorOf({ status, trailer }: UniversalServerResponse): ConnectError | undefined {
  if (status !== 200) return new ConnectError("refused", codeFromHttpStatus(status));
  return trailer === undefined ? undefined : findTrailerError(trailer);
}

/** The caller has disconnected, or reads no more: no one is left to answer. */
function destroy(
  reply: FastifyReply,
  { method }: UniversalHandler,
  error: unknown,
  { log }: RpcRoutesOptions,
): void {
  const fields = { method: `${method.parent.typeName}/${method.name}`, err: error };
  log.debug(fields, "a response could not be sent");
  reply.raw.destroy();
}

/** Returns undefined if its `host` and path are no URL. */
function readRequest(
  request: FastifyRequest["raw"],
  response: FastifyReply["raw"],
  values: ContextValues,
): UniversalServerRequest | undefined {
  try {
    return universalRequestFromNodeRequest(request, response, undefined, values);
  } catch {
    return undefined;
  }
}

/** The body; a handler sees each failure to write it as a cancellation by the caller. */
function cancellable(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const chunks = body[Symbol.asyncIterator]();
      const end = { done: true as const, value: undefined };
      return {
        next: () => chunks.next(),
        return: async () => (await chunks.return?.()) ?? end,
        throw: async () => (await chunks.throw?.(callerIsGone())) ?? end,
      };
    },
  };
}

function makeCacheable({ status, header }: UniversalServerResponse): void {
  if (status !== 200) return;
  header?.set("cache-control", PUBLIC_CACHE_CONTROL);
  header?.append("vary", "accept-encoding");
}
