import { constants, type Http2ServerRequest } from "node:http2";
import type { FastifyInstance } from "fastify";

/**
 * A call that is answered before its body was read, because it is too large for instance, leaves the rest of the body behind. Over HTTP/1.1 it would stand
 * before the next request of the connection, which then hangs until `requestTimeout`; over HTTP/2 it would fill the connection's window. So it is
 * thrown away, and over HTTP/2 no longer wanted (RFC 9113, section 8.1).
 */
export function letGoOfUnreadBodies(app: FastifyInstance): void {
  app.addHook("onRequest", ({ raw: request }, { raw: response }, done) => {
    response.once("finish", () => {
      if (request.readableEnded) return;
      const { stream } = request as unknown as Partial<Http2ServerRequest>;
      if (stream === undefined) request.resume();
      else stream.close(constants.NGHTTP2_NO_ERROR);
    });
    done();
  });
}
