import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { createRegistry, type DescService } from "@bufbuild/protobuf";
import {
  Code,
  type ConnectRouter,
  cors as connectCors,
  createConnectRouter,
} from "@connectrpc/connect";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import fastifyCors from "@fastify/cors";
import { Health } from "@tercet/gen/grpc/health/v1/health";
import { ServerReflection } from "@tercet/gen/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionV1Alpha } from "@tercet/gen/grpc/reflection/v1alpha/reflection";
import { type FastifyInstance, fastify } from "fastify";
import type { ServiceConfig } from "../config.ts";
import { type ErrorCodes, RequestError, reasonToConnectError } from "../errors.ts";
import { flushLog, type Logger } from "../telemetry/log.ts";
import { observeServer } from "../telemetry/rpc-telemetry.ts";
import { methodsWithoutAccess } from "./access.ts";
import { createAuthenticate, remoteKeys, type TokenKeys } from "./authenticate.ts";
import { limitBodyTime } from "./body-timer.ts";
import { CORRELATION_HEADER } from "./call.ts";
import { createErrorMapping } from "./error-mapping.ts";
import { createGate } from "./gate.ts";
import { type DependencyCheck, HealthMonitor, healthRoutes } from "./health.ts";
import { serverInterceptors } from "./interceptors.ts";
import { createOnePort, type OnePort } from "./one-port.ts";
import { reflectionRoutes } from "./reflection.ts";
import { discardUnreadBodies } from "./unread-body.ts";

export interface ServiceOptions {
  /** As in tokens' audience and in the log: "payment". */
  readonly name: string;
  readonly config: ServiceConfig;
  readonly log: Logger;
  readonly routes: (router: ConnectRouter) => void;
  /** The Connect code of each reason that this service's own errors carry. */
  readonly errors: ErrorCodes;
  /**
   * The keys that verify tokens, for the one service that has them; by default those of the
   * configuration.
   */
  readonly keys?: TokenKeys;
  /** What the service cannot work without; each is looked at once a second. */
  readonly dependencies?: Readonly<Record<string, DependencyCheck>>;
  /** Routes that are not RPCs. */
  readonly http?: (app: FastifyInstance) => void;
  /**
   * Services that need no token although their methods declare no access: only for protocol suites.
   */
  readonly openServices?: readonly DescService[];
  /** Once the port is open: start what works in the background. */
  readonly onReady?: () => Promise<void> | void;
  /**
   * Once the calls in flight have finished: stop what works in the background. When `hurry` aborts,
   * what is not finished must be left as it is.
   */
  readonly onDrain?: (hurry: AbortSignal) => Promise<void>;
  /** Last: close the stores. */
  readonly onClose?: () => Promise<void>;
}

/**
 * A running service. Disposing of it drains it: not ready, GOAWAY, calls in flight finish,
 * background work is handed over, stores are closed.
 */
export interface Service extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** For callers on the same machine. */
  readonly url: string;
}

/**
 * How long calls that were ended by the drain have to tell their callers, and stores that are
 * closed by it to say goodbye.
 */
const LAST_WORDS_MS = 500;
/** How long background work that is told to hurry may take. */
const HANDOVER_MS = 1_000;

export async function createService(options: ServiceOptions): Promise<Service> {
  const { name, config, log } = options;
  const declared = declaredServices(options.routes);
  const open = new Set<DescService>([
    Health,
    ServerReflection,
    ServerReflectionV1Alpha,
    ...(options.openServices ?? []),
  ]);
  refuseUndeclaredAccess(name, declared, open);
  const monitor = new HealthMonitor(options.dependencies ?? {}, (dependency, error) => {
    if (error === undefined) log.info({ dependency }, "dependency is up");
    else log.warn({ dependency, err: error }, "dependency is down");
  });
  const shutdown = new AbortController();
  let port: OnePort | undefined;
  const app = fastify({
    serverFactory: (handler) => {
      port = createOnePort(handler as RequestListener, config.limits, config.tls);
      return port.server;
    },
    routerOptions: { maxParamLength: 128 },
    // While the port closes, a request on a connection that is already there is answered, and the
    // connection then closed.
    return503OnClosing: false,
  }) as unknown as FastifyInstance;
  limitBodyTime(app, config.limits.requestTimeoutMs, requestStreams([...declared, ...open]));
  discardUnreadBodies(app);
  if (config.corsOrigins.length > 0)
    await app.register(fastifyCors, corsOptions(config.corsOrigins));
  healthPages(app, monitor);
  options.http?.(app);
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ code: "unimplemented", message: "there is no such method" }),
  );
  await app.register(
    fastifyConnectPlugin,
    rpcOptions(options, { declared, open, monitor, shutdown: shutdown.signal }),
  );
  await app.listen({ host: config.host, port: config.port });
  try {
    await options.onReady?.();
  } catch (error) {
    port?.destroy();
    await app.close();
    throw error;
  }
  await monitor.start();
  const { port: number } = app.server.address() as AddressInfo;
  const url = `${config.tls === undefined ? "http" : "https"}://127.0.0.1:${number}`;
  log.info({ url, services: declared.map((s) => s.typeName) }, "listening");

  const stop = async () => {
    log.info("draining");
    monitor.stop();
    port?.retire();
    await sleep(config.drainDelayMs);
    const overAt = performance.now() + config.drainTimeoutMs;
    const late = reasonToConnectError(
      new RequestError("UNAVAILABLE", "the service is shutting down; try again"),
      Code.Unavailable,
    );
    const timers = [
      setTimeout(() => shutdown.abort(late), config.drainTimeoutMs),
      // A peer that does not read what it is told must not hold the process.
      setTimeout(() => port?.destroy(), config.drainTimeoutMs + LAST_WORDS_MS),
    ];
    port?.drain();
    // Closing the server closes connections that idle: not those whose next request has come while
    // the loop was busy.
    await setImmediate();
    await app.close();
    timers.forEach(clearTimeout);
    await handOver(options, overAt - performance.now());
    log.info("stopped");
    await flushLog(log);
  };
  let stopped: Promise<void> | undefined;
  return { name, port: number, url, [Symbol.asyncDispose]: () => (stopped ??= stop()) };
}

/**
 * Background work ends with the time for draining, or soon after when the calls have used that up:
 * whatever it waits for, a database that is silent for instance, must not hold the process. What is
 * cut off here is what a crash would have cut off.
 */
async function handOver({ onDrain, onClose, log }: ServiceOptions, leftMs: number): Promise<void> {
  const cutOffMs = Math.max(leftMs - LAST_WORDS_MS, HANDOVER_MS);
  const hurry = new AbortController();
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const cutOff = () => {
    log.warn("background work did not end in time and is cut off");
    resolve();
  };
  const timers = [
    setTimeout(() => hurry.abort(), cutOffMs - HANDOVER_MS),
    setTimeout(cutOff, cutOffMs),
  ];
  try {
    await Promise.race([onDrain?.(hurry.signal), over]);
  } finally {
    await Promise.race([onClose?.(), over.then(() => sleep(LAST_WORDS_MS))]);
    timers.forEach(clearTimeout);
  }
}

/**
 * Which services the routes implement: known before they are mounted, for reflection and health.
 */
function declaredServices(routes: (router: ConnectRouter) => void): DescService[] {
  const router = createConnectRouter();
  routes(router);
  return [...new Set(router.handlers.map((handler) => handler.service))];
}

/** The paths of the methods whose callers send a stream of messages. */
function requestStreams(services: readonly DescService[]): ReadonlySet<string> {
  const methods = services.flatMap((service) => service.methods);
  const streaming = methods.filter(
    (method) => method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
  );
  return new Set(streaming.map((method) => `/${method.parent.typeName}/${method.name}`));
}

function refuseUndeclaredAccess(
  name: string,
  declared: readonly DescService[],
  open: ReadonlySet<DescService>,
): void {
  const undeclared = methodsWithoutAccess(declared.filter((service) => !open.has(service)));
  if (undeclared.length > 0)
    throw new Error(
      `${name}: these methods declare no (common.v1.access): ${undeclared.join(", ")}`,
    );
}

interface Mounted {
  readonly declared: readonly DescService[];
  readonly open: ReadonlySet<DescService>;
  readonly monitor: HealthMonitor;
  readonly shutdown: AbortSignal;
}

function rpcOptions(
  { name, config, log, routes, errors, keys }: ServiceOptions,
  { declared, open, monitor, shutdown }: Mounted,
) {
  const toConnectError = createErrorMapping(errors, log);
  const policy = { issuer: config.token.issuer, audiences: [config.token.audience, name] };
  const authenticate = createAuthenticate(keys ?? configuredKeys(config), policy);
  return {
    routes: (router: ConnectRouter) => {
      routes(router);
      healthRoutes(monitor, new Set(declared.map((s) => s.typeName)))(router);
      reflectionRoutes([...declared, Health])(router);
    },
    requestGate: createGate({
      authenticate,
      openServices: open,
      defaultTimeoutMs: config.defaultTimeoutMs,
      toConnectError,
      observe: observeServer(),
    }),
    interceptors: serverInterceptors(log, toConnectError),
    // What is in a google.protobuf.Any can be written as JSON when it is a message of the same
    // files.
    jsonOptions: { registry: createRegistry(...declared.map((service) => service.file)) },
    readMaxBytes: config.readMaxBytes,
    maxTimeoutMs: config.maxTimeoutMs,
    shutdownSignal: shutdown,
  };
}

function configuredKeys({ token }: ServiceConfig): TokenKeys {
  if (token.secret !== undefined) return { secret: new TextEncoder().encode(token.secret) };
  return remoteKeys(token.jwksUrl ?? new URL("/.well-known/jwks.json", token.issuer).href);
}

function corsOptions(origins: readonly string[]) {
  return {
    origin: [...origins],
    methods: [...connectCors.allowedMethods],
    allowedHeaders: [
      ...connectCors.allowedHeaders,
      "authorization",
      CORRELATION_HEADER,
      "traceparent",
      "tracestate",
    ],
    exposedHeaders: [
      ...connectCors.exposedHeaders,
      CORRELATION_HEADER,
      "idempotent-replayed",
      "retry-after",
    ],
    maxAge: 7_200,
  };
}

/** Live: the process answers. Ready: it can do its work. */
function healthPages(app: FastifyInstance, monitor: HealthMonitor): void {
  app.get("/health/live", () => ({ status: "live" }));
  app.get("/health/ready", (_request, reply) => {
    const report = monitor.report();
    return reply.code(report.ready ? 200 : 503).send(report);
  });
}
