import type { AddressInfo } from "node:net";
import { createRegistry, type DescService } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
} from "@connectrpc/connect";
import { Health } from "@tercet/gen/grpc/health/v1/health";
import { ServerReflection } from "@tercet/gen/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionV1Alpha } from "@tercet/gen/grpc/reflection/v1alpha/reflection";
import type { FastifyInstance } from "fastify";
import type { ServiceConfig } from "../config.ts";
import type { ErrorCodes } from "../errors.ts";
import type { Logger } from "../telemetry/log.ts";
import { observeServer } from "../telemetry/rpc-telemetry.ts";
import { methodsWithoutAccess } from "./access.ts";
import { Admission } from "./admission.ts";
import { createAuthenticate, knownCaller, remoteKeys, type TokenKeys } from "./authenticate.ts";
import { COMPRESS_MIN_BYTES, compressions } from "./compression.ts";
import { refuseContentTypes } from "./content-type.ts";
import { drain } from "./drain.ts";
import { createErrorMapping } from "./error-mapping.ts";
import { createGate } from "./gate.ts";
import { type DependencyCheck, HealthMonitor, healthRoutes } from "./health.ts";
import { createHttpHost, refuseInOurForm } from "./http-host.ts";
import { serverInterceptors } from "./interceptors.ts";
import { leanRoutes } from "./lean-routes.ts";
import { reflectionRoutes } from "./reflection.ts";
import {
  pollRevocations,
  type RevocationSource,
  Revocations,
  remoteRevocations,
} from "./revocations.ts";
import { rpcRoutes } from "./rpc-routes.ts";
import { openSecondPort, type SecondPort } from "./second-port.ts";
import { VerifiedTokens } from "./verified-tokens.ts";

export interface ServiceOptions {
  /** In the audience of tokens and in the log: "payment". */
  readonly name: string;
  readonly config: ServiceConfig;
  readonly log: Logger;
  readonly routes: (router: ConnectRouter) => void;
  /** The Connect code of each reason that this service's own errors carry. */
  readonly errors: ErrorCodes;
  /** Default: the keys that the configuration names. For the service that signs the tokens. */
  readonly keys?: TokenKeys;
  /**
   * Default: the list that the configuration names, or none if `keys` replaces its keys. For the
   * service that revokes tokens.
   */
  readonly revocations?: RevocationSource;
  /** What the service needs to be ready; each is checked once a second. */
  readonly dependencies?: Readonly<Record<string, DependencyCheck>>;
  /**
   * For how long work has waited inside the service, for a connection to its database for instance,
   * in milliseconds. While it is long, calls are refused.
   */
  readonly backlogMs?: () => number;
  /** Routes that are not RPCs. */
  readonly http?: (app: FastifyInstance) => void;
  /** Services that need no token and declare no access: for protocol test suites only. */
  readonly openServices?: readonly DescService[];
  /**
   * Background work, begun once the port is open. The signal aborts when the calls in flight have
   * finished; the work must end then.
   */
  readonly background?: (stopping: AbortSignal) => Promise<void>;
  /** Starts other work, once the port is open. */
  readonly onReady?: () => Promise<void> | void;
  /**
   * Stops what `onReady` started, once the calls in flight have finished. When `force` aborts, it
   * must leave what is not finished as it is.
   */
  readonly onDrain?: (force: AbortSignal) => Promise<void>;
  /** Closes the stores; called last. */
  readonly onClose?: () => Promise<void>;
}

/**
 * A running service. Disposing of it drains it: it is no longer ready, sends GOAWAY, finishes the
 * calls in flight, hands over background work and closes its stores.
 */
export interface Service extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** On the loopback interface. */
  readonly url: string;
}

/** Starts a service: opens its port, then checks its dependencies. */
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
  const { app, port } = await createHttpHost({ ...config, services: [...declared, ...open] });
  healthPages(app, monitor);
  options.http?.(app);
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ code: "unimplemented", message: "there is no such method" }),
  );
  app.setErrorHandler(refuseInOurForm);
  const verified = new VerifiedTokens();
  const admission = new Admission({
    limits: config.admission,
    knownCaller: (authorization) => knownCaller(verified, authorization),
    backlogMs: options.backlogMs ?? (() => 0),
  });
  const revocations = new Revocations();
  const mounted = {
    ...{ declared, open, monitor, verified, admission, revocations },
    shutdown: shutdown.signal,
  };
  const { keys, rpc, toConnectError } = rpcOptions(options, mounted);
  admission.guard(app, handlersOf(options.routes));
  const handlers = handlersOf(rpc.routes, rpc);
  refuseContentTypes(app, handlers);
  const lean = config.fastPath ? leanRoutes({ ...rpc, toConnectError, log }) : new Map();
  const hasCors = config.corsOrigins.length > 0;
  await rpcRoutes(app, { ...rpc, handlers, lean, hasCors, compressions, log });
  await app.listen({ host: config.host, port: config.port });
  let grpcPort: SecondPort | undefined;
  const close = async () => {
    await Promise.all([app.close(), grpcPort?.close()]);
    admission[Symbol.dispose]();
  };
  try {
    grpcPort = await openGrpcPort(app, config);
    await options.onReady?.();
  } catch (error) {
    port.destroy();
    await close();
    throw error;
  }
  await monitor.start();
  const { port: number } = app.server.address() as AddressInfo;
  const url = `${config.tls === undefined ? "http" : "https"}://127.0.0.1:${number}`;
  const services = declared.map((s) => s.typeName);
  log.info({ url, grpc_port: config.grpcPort, services }, "listening");

  const stopping = new AbortController();
  const source = options.revocations ?? (options.keys ? undefined : configuredList(config, keys));
  const background = Promise.all([
    options.background?.(stopping.signal),
    source && pollRevocations({ source, revocations, log }, stopping.signal),
  ]);
  const onDrain = async (force: AbortSignal) => {
    stopping.abort();
    await Promise.all([background, options.onDrain?.(force)]);
  };
  let drained: Promise<void> | undefined;
  return {
    name,
    port: number,
    url,
    [Symbol.asyncDispose]: () =>
      (drained ??= drain({ ...options, onDrain, close, port, monitor, shutdown })),
  };
}

/** Opens GRPC_PORT if the configuration names it. */
async function openGrpcPort(
  { server }: FastifyInstance,
  { host, grpcPort: port }: ServiceConfig,
): Promise<SecondPort | undefined> {
  return port === undefined ? undefined : openSecondPort(server, { host, port });
}

function handlersOf(
  routes: (router: ConnectRouter) => void,
  options?: ConnectRouterOptions,
): ConnectRouter["handlers"] {
  const router = createConnectRouter(options);
  routes(router);
  return router.handlers;
}

/** Returns the services that the routes implement, for reflection and health. */
const declaredServices = (routes: (router: ConnectRouter) => void): DescService[] => [
  ...new Set(handlersOf(routes).map((handler) => handler.service)),
];

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
  readonly revocations: Revocations;
  readonly verified: VerifiedTokens;
  readonly admission: Admission;
  readonly shutdown: AbortSignal;
}

function rpcOptions(
  { name, config, log, routes, errors, keys = configuredKeys(config) }: ServiceOptions,
  { declared, open, monitor, verified, admission, revocations, shutdown }: Mounted,
) {
  const toConnectError = createErrorMapping(errors, log);
  const policy = {
    issuer: config.token.issuer,
    audiences: [config.token.audience, name],
    verified,
  };
  const authenticate = createAuthenticate(keys, policy, revocations);
  const rpc = {
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
      admission,
    }),
    interceptors: serverInterceptors(log, toConnectError, revocations),
    // To write the content of a google.protobuf.Any as JSON.
    jsonOptions: { registry: createRegistry(...declared.map((service) => service.file)) },
    acceptCompression: [...compressions],
    compressMinBytes: COMPRESS_MIN_BYTES,
    readMaxBytes: config.readMaxBytes,
    maxTimeoutMs: config.maxTimeoutMs,
    shutdownSignal: shutdown,
  };
  return { keys, rpc, toConnectError };
}

function configuredList({ token }: ServiceConfig, keys: TokenKeys): RevocationSource | undefined {
  const { issuer, revocationsUrl: url } = token;
  return url === undefined ? undefined : remoteRevocations(url, keys, issuer);
}

function configuredKeys({ token }: ServiceConfig): TokenKeys {
  if (token.secret !== undefined) return { secret: new TextEncoder().encode(token.secret) };
  return remoteKeys(token.jwksUrl ?? new URL("/.well-known/jwks.json", token.issuer).href);
}

/**
 * Live: the process responds. Ready: its dependencies are up, and it is not draining. `/health` is
 * the same as `/health/ready`.
 */
function healthPages(app: FastifyInstance, monitor: HealthMonitor): void {
  app.get("/health/live", () => ({ status: "live" }));
  for (const path of ["/health", "/health/ready"])
    app.get(path, (_request, reply) => {
      const report = monitor.report();
      return reply.code(report.ready ? 200 : 503).send(report);
    });
}
