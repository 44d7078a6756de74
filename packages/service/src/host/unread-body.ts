import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";

/**
 * A call that is answered before its body was read to the end, because it is too large for
 * instance, leaves the rest behind. Over HTTP/1.1 that would stand before the next request of the
 * connection, which would wait for it until `requestTimeout`: it is thrown away. Over HTTP/2 a
 * stream stands in nobody's way, and the body timer ends it.
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

/**
 * Who stops reading in the middle would destroy the request, and then nothing could be thrown away.
 */
function surviveReader(request: IncomingMessage): void {
  request[Symbol.asyncIterator] = () => request.iterator({ destroyOnReturn: false });
}

function discardRest(request: IncomingMessage): void {
  if (request.readableEnded) return;
  // It does not flow as long as somebody waits for it.
  request.removeAllListeners("readable").resume();
}
