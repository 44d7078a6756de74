import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { LOOPBACK } from "@tercet/cli";
import { type ConsoleSite, serveConsole } from "@tercet/console-server";
import { authTarget } from "@tercet/gateway/auth-routes";
import { ourServices } from "@tercet/gateway/our-services";
import {
  accessOf,
  CORRELATION_HEADER,
  correlationId,
  createHttpHost,
  hardenedLimits,
  openSecondPort,
  type Refusal,
  refuse,
} from "@tercet/service";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { recordOf, type ServiceName, serviceEntry, serviceNames } from "./config.ts";
import { forward } from "./edge-forward.ts";
import { endToEnd } from "./edge-headers.ts";
import { Upstream } from "./edge-upstream.ts";
import { urlOf } from "./ports.ts";
import { isReady } from "./service-process.ts";

const routed = await ourServices();

/**
 * All methods of our services but internal ones; operators' ones too, for `pnpm admin`: only this
 * machine reaches the edge. Reflection and grpc.health are only at the services' own ports.
 */
const paths = (name: ServiceName): string[] => [
  ...routed
    .filter(({ typeName }) => serviceEntry(name).protoServices.includes(typeName))
    .flatMap(({ typeName, methods }) =>
      methods
        .filter((method) => accessOf(method)?.internal !== true)
        .map((method) => `/${typeName}/${method.name}`),
    ),
  ...(name === "identity" ? ["/.well-known/jwks.json", "/.well-known/openid-configuration"] : []),
];

export interface EdgeOptions {
  readonly port: number;
  /** A second port of the same server; none by default. */
  readonly grpcPort?: number;
  readonly upstreams: Readonly<Record<ServiceName, string>>;
  /** Origins whose pages may call from a browser, as in CORS_ORIGINS. */
  readonly corsOrigins?: readonly string[];
  /** The console, which is served at `/`; none by default. */
  readonly console?: ConsoleSite;
  /** Adds routes of this machine alone: those of the crash lab. */
  readonly extend?: (app: FastifyInstance) => void | Promise<void>;
}

/**
 * One address for all services, like Kong: gRPC, gRPC-Web, Connect and plain HTTP, over HTTP/1.1
 * and HTTP/2 on one port.
 */
export interface Edge extends AsyncDisposable {
  readonly url: string;
  /** Accepts no new connections; calls in flight continue. */
  drain(): void;
}

/** The edge verifies no token, and all its callers are of this machine. */
const EDGE_LIMITS = {
  ...hardenedLimits,
  maxConnectionsPerAddress: hardenedLimits.maxConnections,
  anonymous: hardenedLimits,
};

export async function startEdge({
  port: number,
  grpcPort,
  upstreams: urls,
  corsOrigins = [],
  console: site,
  extend,
}: EdgeOptions): Promise<Edge> {
  const { app, port } = await createHttpHost({
    limits: EDGE_LIMITS,
    corsOrigins,
    services: routed,
    // `/auth/login` and the like, as Kong rewrites them.
    rewriteUrl: ({ method, url = "" }) => authTarget(method, url) ?? decodable(url),
  });
  // Bodies are passed on unparsed.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _body, done) => done(null));
  app.addHook("onRequest", correlate);
  const respondWithPage = site === undefined ? () => false : await serveConsole(app, site);
  app.setNotFoundHandler((request, reply) => {
    if (respondWithPage(request, reply)) return;
    refuseCall(request, reply, {
      code: Code.Unimplemented,
      message: "there is no such method here; reflection and health are at the services' own ports",
    });
  });
  app.setErrorHandler(refuseError);
  healthPages(app, urls);
  await extend?.(app);
  const upstreams = recordOf(serviceNames, (name) => new Upstream(urls[name]));
  for (const name of serviceNames)
    for (const path of paths(name))
      app.all(path, (request, reply) => proxy(request, reply, { path, name, upstreams }));
  await app.listen({ host: LOOPBACK, port: number });
  const second =
    grpcPort === undefined
      ? undefined
      : await openSecondPort(app.server, { host: LOOPBACK, port: grpcPort }).catch(
          async (error: unknown) => {
            await app.close();
            throw error;
          },
        );
  let closed: Promise<unknown> | undefined;
  const drain = () => {
    if (closed !== undefined) return;
    port.retire();
    port.drain();
    closed = Promise.all([app.close(), second?.close()]);
  };
  return {
    url: urlOf((app.server.address() as AddressInfo).port),
    drain,
    [Symbol.asyncDispose]: async () => {
      drain();
      port.destroy();
      for (const upstream of Object.values(upstreams)) upstream.close();
      await closed;
    },
  };
}

/** Without its own hooks, Fastify responds to a path that cannot be decoded; here it is unknown. */
function decodable(url: string): string {
  try {
    decodeURI(url.split("?", 1)[0] ?? "");
    return url;
  } catch {
    return "/";
  }
}

interface Target {
  /** As the contract has it, however the caller encoded it. */
  readonly path: string;
  readonly name: ServiceName;
  readonly upstreams: Readonly<Record<ServiceName, Upstream>>;
}

function proxy(
  request: FastifyRequest,
  reply: FastifyReply,
  { path, name, upstreams }: Target,
): void {
  const { raw } = request;
  const { stream } = raw as IncomingMessage & Partial<Http2ServerRequest>;
  const query = request.url.indexOf("?");
  const service = `the ${name} service`;
  const exchange = upstreams[name].open(stream === undefined ? 1 : 2, {
    method: request.method,
    path: query < 0 ? path : path + request.url.slice(query),
    headers: forwarded(request, stream !== undefined),
    hasBody: stream?.endAfterHeaders === false,
  });
  reply.hijack();
  if (exchange === undefined) refuse(raw, reply.raw, tooMany(service), headersOf(reply));
  else forward({ request: raw, response: reply.raw, exchange, headers: headersOf(reply), service });
}

const tooMany = (service: string): Refusal => ({
  code: Code.Unavailable,
  message: `too many calls to ${service} are in flight; try again`,
});

/** No trusted proxy is in front of the edge: what a client says of its address is dropped. */
function forwarded(request: FastifyRequest, isHttp2: boolean) {
  const { forwarded: _, ...own } = endToEnd(request.headers);
  return {
    ...own,
    // The edge's own words for the next connection.
    ...(request.headers["transfer-encoding"] !== undefined && { "transfer-encoding": "chunked" }),
    ...(isHttp2 && request.headers["te"] !== undefined && { te: "trailers" }),
    "x-forwarded-for": request.ip,
    "x-forwarded-host": request.host,
    "x-forwarded-proto": "http",
  };
}

/** The response has the id even if no service was reached. */
async function correlate(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const id = correlationId(request.headers[CORRELATION_HEADER]?.toString() ?? null);
  request.headers[CORRELATION_HEADER] = id;
  void reply.header(CORRELATION_HEADER, id);
}

function refuseCall(request: FastifyRequest, reply: FastifyReply, refusal: Refusal): void {
  reply.hijack();
  refuse(request.raw, reply.raw, refusal, headersOf(reply));
}

/** The headers that hooks have set. */
const headersOf = (reply: FastifyReply) => reply.getHeaders() as OutgoingHttpHeaders;

function refuseError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const refusal =
    (error.statusCode ?? 500) < 500
      ? { code: Code.InvalidArgument, message: error.message }
      : { code: Code.Internal, message: "internal error" };
  refuseCall(request, reply, refusal);
}

/** `/health` is the same as `/health/ready`. */
function healthPages(app: FastifyInstance, urls: Readonly<Record<ServiceName, string>>): void {
  app.get("/health/live", () => ({ status: "live" }));
  for (const path of ["/health", "/health/ready"])
    app.get(path, async (_request, reply) => {
      const up = await Promise.all(serviceNames.map((name) => isReady(urls[name])));
      const ready = up.every(Boolean);
      const dependencies = serviceNames.map((name, index) => [name, up[index] ? "up" : "down"]);
      return reply
        .code(ready ? 200 : 503)
        .send({ ready, dependencies: Object.fromEntries(dependencies) });
    });
}
