import type { FastifyInstance } from "fastify";
import { constants, type Http2ServerRequest } from "node:http2";

/**
 * Ends an HTTP/2 request whose body does not arrive in time: a deadline does not cover reading the body, and HTTP/2 has no request timeout of its own; over
 * HTTP/1.1 the server's `requestTimeout` does this. Where the caller may send a stream of messages, only silence is timed.
 */
export function limitBodyTime(app: FastifyInstance, timeoutMs: number, mayStream: (path: string) => boolean): void {
  app.addHook("onRequest", (request, _reply, done) => {
    const raw = request.raw as unknown as Http2ServerRequest;
    if (raw.stream !== undefined && !raw.readableEnded) limit(raw, timeoutMs, mayStream(request.url));
    done();
  });
}

function limit(raw: Http2ServerRequest, timeoutMs: number, stream: boolean): void {
  const expire = () => raw.stream.close(constants.NGHTTP2_CANCEL);
  if (stream) {
    raw.stream.setTimeout(timeoutMs, expire);
    return;
  }
  const timer = setTimeout(expire, timeoutMs);
  raw.once("end", () => clearTimeout(timer));
  raw.stream.once("close", () => clearTimeout(timer));
}
