import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Http2ServerRequest } from "node:http2";
import { constants } from "node:http2";

/**
 * Ends a request whose body does not arrive in time. A deadline does not cover reading the body, and HTTP/2 has no request timeout of its own; over
 * HTTP/1.1 the server's `requestTimeout` does this. A stream of requests may stay open as long as its messages keep coming.
 */
export function limitBodyTime(app: FastifyInstance, timeoutMs: number): void {
  app.addHook("onRequest", (request, _reply, done) => {
    const raw = request.raw as unknown as Http2ServerRequest;
    if (raw.stream !== undefined && !raw.readableEnded) limit(raw, isStream(request), timeoutMs);
    done();
  });
}

const isStream = (request: FastifyRequest): boolean => /^application\/(grpc|connect)/.test(request.headers["content-type"] ?? "");

function limit(raw: Http2ServerRequest, keepAliveByData: boolean, timeoutMs: number): void {
  const expire = () => raw.stream.close(constants.NGHTTP2_CANCEL);
  let timer = setTimeout(expire, timeoutMs);
  const stop = () => clearTimeout(timer);
  raw.stream.once("end", stop).once("close", stop);
  if (!keepAliveByData) return;
  const renew = () => {
    stop();
    timer = setTimeout(expire, timeoutMs);
  };
  raw.stream.prependListener("readable", renew);
}
