import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import httpProxy from "@fastify/http-proxy";
import { LOOPBACK } from "@tercet/cli";
import { authTarget } from "@tercet/gateway";
import { CORRELATION_HEADER } from "@tercet/service";
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
} from "fastify";
import { type ServiceName, serviceEntry, serviceNames } from "./config.ts";
import { urlOf } from "./ports.ts";
import { isReady } from "./service-process.ts";

/**
 * All of our services, operators' ones too, for `pnpm admin`: only this machine reaches the edge.
 * Reflection and grpc.health are only at the services' own ports.
 */
const prefixes = (name: ServiceName): string[] => [
  ...serviceEntry(name).protoServices.map((service) => `/${service}`),
  ...(name === "identity" ? ["/.well-known"] : []),
];

export interface EdgeOptions {
  readonly port: number;
  readonly upstreams: Readonly<Record<ServiceName, string>>;
}

/**
 * One address for all services, like Kong's HTTP port: HTTP/1.1, for Connect, gRPC-Web and plain
 * HTTP. gRPC itself is served at the services' own ports.
 */
export interface Edge extends AsyncDisposable {
  readonly url: string;
  /** Accepts no new connections; calls in flight continue. */
  drain(): void;
}

/** Longer than any deadline of a service: 30 s. */
const ANSWER_TIMEOUT_MS = 35_000;
const LIMITS = {
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  headersTimeout: 5_000,
  maxHeaderSize: 16_384,
};
const MAX_BODY_BYTES = 1_048_576;

export async function startEdge({ port, upstreams }: EdgeOptions): Promise<Edge> {
  const app = fastify({
    http: LIMITS,
    requestTimeout: LIMITS.requestTimeout,
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: 256 },
    // `/auth/login` and the like, as Kong rewrites them.
    rewriteUrl: ({ method, url = "" }) => authTarget(method, url) ?? url,
  });
  // Bodies are passed on unparsed.
  app.removeAllContentTypeParsers();
  app.addHook("onRequest", correlate);
  app.setNotFoundHandler((_request, reply) =>
    refuse(reply, 404, "unimplemented", "there is no such method"),
  );
  app.setErrorHandler<FastifyError>((error, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500) return refuse(reply, status, "invalid_argument", error.message);
    return refuse(reply, 500, "internal", "internal error");
  });
  healthPages(app, upstreams);
  for (const name of serviceNames)
    for (const prefix of prefixes(name))
      await app.register(httpProxy, route(name, prefix, upstreams[name]));
  await app.listen({ host: LOOPBACK, port });
  let closed: Promise<void> | undefined;
  const drain = () => {
    closed ??= app.close();
  };
  return {
    url: urlOf((app.server.address() as AddressInfo).port),
    drain,
    [Symbol.asyncDispose]: async () => {
      drain();
      app.server.closeAllConnections();
      await closed;
    },
  };
}

function route(name: ServiceName, prefix: string, upstream: string) {
  return {
    prefix,
    rewritePrefix: prefix,
    upstream,
    // A stream may be silent for any time.
    undici: { connections: 1_024, headersTimeout: ANSWER_TIMEOUT_MS, bodyTimeout: 0 },
    // Retries are the caller's decision.
    retryMethods: [],
    maxRetriesOn503: 0,
    replyOptions: {
      rewriteRequestHeaders: forwarded,
      onError: (reply: Replying, { error }: { error: Error }) => {
        const [status, code, problem] =
          (error as FastifyError).statusCode === 504
            ? ([504, "deadline_exceeded", "did not answer in time"] as const)
            : ([503, "unavailable", "cannot be reached at the moment; try again"] as const);
        refuse(reply, status, code, `the ${name} service ${problem}`);
      },
    },
  };
}

/** No trusted proxy is in front of the edge: what a client says of its address is dropped. */
function forwarded(
  request: Pick<FastifyRequest, "headers" | "ip" | "host">,
  headers: IncomingHttpHeaders,
): IncomingHttpHeaders {
  const { forwarded: _, ...own } = headers;
  return {
    ...own,
    [CORRELATION_HEADER]: String(request.headers[CORRELATION_HEADER]),
    "x-forwarded-for": request.ip,
    "x-forwarded-host": request.host,
    "x-forwarded-proto": "http",
  };
}

/** The response has the id even if no service was reached. */
async function correlate(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  request.headers[CORRELATION_HEADER] ??= crypto.randomUUID();
  void reply.header(CORRELATION_HEADER, request.headers[CORRELATION_HEADER]);
}

interface Replying {
  header(name: string, value: string): unknown;
  code(status: number): { send(body: unknown): unknown };
}

/** Replies with an error in Connect's format. */
function refuse(reply: Replying, status: number, code: string, message: string): void {
  if (status === 503) void reply.header("retry-after", "1");
  void reply.code(status).send({ code, message });
}

function healthPages(app: FastifyInstance, upstreams: Readonly<Record<ServiceName, string>>): void {
  app.get("/health/live", () => ({ status: "live" }));
  app.get("/health/ready", async (_request, reply) => {
    const up = await Promise.all(serviceNames.map((name) => isReady(upstreams[name])));
    const ready = up.every(Boolean);
    const dependencies = serviceNames.map((name, index) => [name, up[index] ? "up" : "down"]);
    return reply
      .code(ready ? 200 : 503)
      .send({ ready, dependencies: Object.fromEntries(dependencies) });
  });
}
