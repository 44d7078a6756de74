import { constants, type Http2ServerRequest } from "node:http2";
import type { FastifyInstance } from "fastify";

/**
 * Resets an HTTP/2 request whose body does not arrive in time: deadlines do not cover reading the
 * body, and only HTTP/1.1 has `requestTimeout`. On the paths in `requestStreams` each chunk
 * restarts the timer.
 */
export function limitBodyTime(
  app: FastifyInstance,
  timeoutMs: number,
  requestStreams: ReadonlySet<string>,
): void {
  let arrived: Request[] = [];
  const limitAll = () => {
    const requests = arrived;
    arrived = [];
    for (const { stream, isStream } of requests)
      if (isStream || !(stream.readableEnded || stream.destroyed))
        limit(stream, timeoutMs, isStream);
  };
  app.addHook("onRequest", (request, _reply, done) => {
    const { stream } = request.raw as unknown as Partial<Http2ServerRequest>;
    if (stream !== undefined && !stream.endAfterHeaders) {
      // Most bodies come with their headers and need no timer.
      if (arrived.length === 0) setImmediate(limitAll);
      arrived.push({ stream, isStream: requestStreams.has(request.url) });
    }
    done();
  });
}

interface Request {
  readonly stream: Http2ServerRequest["stream"];
  /** Whether it is a stream of messages. */
  readonly isStream: boolean;
}

function limit(
  stream: Http2ServerRequest["stream"],
  timeoutMs: number,
  renewedByData: boolean,
): void {
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), timeoutMs);
  const stop = () => clearTimeout(timer);
  stream.once("end", stop).once("close", stop);
  // Unlike `on`, `prependListener` does not start the flow of the stream.
  if (renewedByData) stream.prependListener("data", () => void timer.refresh());
}
