import { constants, type Http2ServerRequest } from "node:http2";
import type { FastifyInstance } from "fastify";

/**
 * Ends a request over HTTP/2 whose body does not arrive in time. A deadline does not cover reading
 * the body, and HTTP/2 has no request timeout of its own; over HTTP/1.1 the server's
 * `requestTimeout` does this. On the paths of `requestStreams` each piece of data renews the time.
 */
export function limitBodyTime(
  app: FastifyInstance,
  timeoutMs: number,
  requestStreams: ReadonlySet<string>,
): void {
  app.addHook("onRequest", (request, _reply, done) => {
    const { stream } = request.raw as unknown as Partial<Http2ServerRequest>;
    if (stream !== undefined && !stream.endAfterHeaders)
      limit(stream, timeoutMs, requestStreams.has(request.url));
    done();
  });
}

function limit(
  stream: Http2ServerRequest["stream"],
  timeoutMs: number,
  renewedByData: boolean,
): void {
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), timeoutMs);
  const stop = () => clearTimeout(timer);
  stream.once("end", stop).once("close", stop);
  // Unlike `on`, `prependListener` does not make the stream flow: that is for whoever reads it.
  if (renewedByData) stream.prependListener("data", () => void timer.refresh());
}
