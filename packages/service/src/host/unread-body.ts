import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";

/**
 * Discards the rest of a body over HTTP/1.1 when the response is sent before it was read, because
 * it is too large for instance. The next request of the connection would wait behind it until
 * `requestTimeout`. Over HTTP/2 it blocks nothing, and the body timer ends it.
 */
export function discardUnreadBodies(app: FastifyInstance): void {
  app.addHook("onRequest", ({ raw: request }, { raw: response }, done) => {
    if (request.httpVersionMajor === 1) {
      surviveReader(request);
      response.once("finish", () => discardRest(request));
    }
    done();
  });
}

/** A reader that stops early would destroy the request, and its connection with it. */
function surviveReader(request: IncomingMessage): void {
  request[Symbol.asyncIterator] = () => request.iterator({ destroyOnReturn: false });
}

function discardRest(request: IncomingMessage): void {
  if (request.readableEnded) return;
  // A stream with a "readable" listener does not flow.
  request.removeAllListeners("readable").resume();
}
