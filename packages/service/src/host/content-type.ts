import type { ConnectRouter } from "@connectrpc/connect";
import type { FastifyInstance } from "fastify";

type Handler = ConnectRouter["handlers"][number];

const UNARY = "application/json";
const STREAM = "application/connect+json, application/grpc or application/grpc-web";

/**
 * Refuses a POST to a method with a content type that the method does not read, and says which to
 * send: curl, for instance, declares a form by default. The code is `unknown`, which Connect has
 * for status 415, and which the conformance suite expects.
 */
export function refuseContentTypes(app: FastifyInstance, handlers: readonly Handler[]): void {
  const byPath = new Map(handlers.map((handler) => [handler.requestPath, handler]));
  app.addHook("onRequest", (request, reply, done) => {
    const handler = byPath.get(request.routeOptions.url ?? "");
    const given = request.headers["content-type"] ?? "";
    if (request.method !== "POST" || handler === undefined || handler.supportedContentType(given))
      return done();
    void reply.code(415).send({ code: "unknown", message: explain(handler, given) });
  });
}

function explain({ method }: Handler, given: string): string {
  const problem = given === "" ? "no content type" : `the content type ${given.slice(0, 100)}`;
  const wanted = method.methodKind === "unary" ? UNARY : STREAM;
  return `${method.name} does not read a request with ${problem}: add the header content-type: ${wanted}`;
}
