import type { IncomingMessage, RequestListener } from "node:http";
import type { DescService } from "@bufbuild/protobuf";
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
} from "fastify";
import { limitBodyTime } from "./body-timer.ts";
import { allowOrigins } from "./cors.ts";
import { createOnePort, type OnePort, type PortLimits, type TlsOptions } from "./one-port.ts";
import { refuseUnparsed } from "./unparsed.ts";
import { discardUnreadBodies } from "./unread-body.ts";

export interface HttpHostOptions {
  readonly limits: PortLimits;
  readonly tls?: TlsOptions | undefined;
  /** Origins whose pages may call; see `allowOrigins`. */
  readonly corsOrigins: readonly string[];
  /** Their `x-forwarded-for` names the caller; none by default. See TRUSTED_PROXIES. */
  readonly trustedProxies?: readonly string[];
  /** What is served. The bodies of request streams may take longer than `requestTimeoutMs`. */
  readonly services: readonly DescService[];
  /** Returns the URL to route by. */
  readonly rewriteUrl?: (request: IncomingMessage) => string;
}

/** A Fastify application on one port for HTTP/1.1 and HTTP/2, without routes. */
export interface HttpHost {
  readonly app: FastifyInstance;
  readonly port: OnePort;
}

/** Creates the application, with the limits on connections and bodies, and CORS. */
export async function createHttpHost(options: HttpHostOptions): Promise<HttpHost> {
  const { corsOrigins, limits, rewriteUrl, services, tls, trustedProxies = [] } = options;
  const { promise: created, resolve } = Promise.withResolvers<OnePort>();
  const app = fastify({
    serverFactory: (handler) => {
      const port = createOnePort(handler as RequestListener, limits, tls);
      resolve(port);
      return port.server;
    },
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    routerOptions: { maxParamLength: 128 },
    // While the port closes, requests on open connections are still served.
    return503OnClosing: false,
    frameworkErrors: refuseInOurForm,
    clientErrorHandler: refuseUnparsed,
    ...(rewriteUrl && { rewriteUrl: (request: unknown) => rewriteUrl(request as IncomingMessage) }),
  }) as unknown as FastifyInstance;
  limitBodyTime(app, limits.requestTimeoutMs, requestStreams(services));
  discardUnreadBodies(app);
  await allowOrigins(app, corsOrigins);
  return { app, port: await created };
}

/** Sends an error of Fastify in Connect's form. Fastify's own quotes the path. */
export function refuseInOurForm(
  { statusCode }: FastifyError,
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  const faulty = statusCode !== undefined && statusCode < 500;
  void reply
    .code(faulty ? statusCode : 500)
    .send(
      faulty
        ? { code: "invalid_argument", message: "the request is not valid" }
        : { code: "internal", message: "internal error" },
    );
}

/** Returns the paths of the methods whose requests are streams. */
function requestStreams(services: readonly DescService[]): ReadonlySet<string> {
  const methods = services.flatMap((service) => service.methods);
  const streaming = methods.filter(
    (method) => method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
  );
  return new Set(streaming.map((method) => `/${method.parent.typeName}/${method.name}`));
}
