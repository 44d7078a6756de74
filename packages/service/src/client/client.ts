import type { DescService } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip, createGrpcTransport } from "@connectrpc/connect-node";
import { metrics } from "@opentelemetry/api";
import { createLeanTransport } from "@tercet/wire";
import { CircuitState } from "cockatiel";
import { untilAborted } from "../abort.ts";
import { CORRELATION_HEADER } from "../host/call.ts";
import type { Logger } from "../telemetry/log.ts";
import { logContext } from "../telemetry/log-context.ts";
import { observeClient } from "../telemetry/rpc-telemetry.ts";
import { behalfKey } from "./on-behalf-of.ts";
import {
  createResilience,
  type Resilience,
  type ResilienceEvents,
  type ResilienceOptions,
} from "./resilience.ts";
import { type ConnectionOptions, WatchedConnection } from "./watched-connection.ts";

interface FastPath {
  /** FAST_PATH: false makes unary calls by Connect's own transport. */
  readonly fastPath?: boolean;
}

export interface ServiceClientOptions
  extends Partial<ResilienceOptions>,
    ConnectionOptions,
    FastPath {
  /** "http://payment:5012" */
  readonly baseUrl: string;
  /** Returns the bearer token to send. */
  readonly token?: () => Promise<string>;
  /** Covers all attempts of a call that has no deadline of its own. */
  readonly timeoutMs: number;
  /** Gets a line when the breaker opens, and one when it closes. */
  readonly log?: Logger | undefined;
  /** Default: gRPC. Pacts are recorded with Connect JSON, which Pact can read. */
  readonly transport?: CreateTransport;
}

export type CreateTransport = (options: {
  readonly baseUrl: string;
  readonly defaultTimeoutMs: number;
  readonly interceptors: Interceptor[];
}) => Transport;

/**
 * Creates a typed client of another service over gRPC. It sends the correlation id along; pass a
 * deadline or a cancellation as call options. A call that timed out has an unknown outcome.
 */
export function createServiceClient<S extends DescService>(
  service: S,
  options: ServiceClientOptions,
): Client<S> {
  const resilience = createResilience(
    {
      attemptTimeoutMs: options.timeoutMs,
      maxAttempts: 3,
      maxInFlight: 256,
      maxQueued: 256,
      ...options,
    },
    { onRetry: retryCounter(service), ...breakerEvents(service, options.log) },
  );
  observeBreaker(service, resilience);
  const createTransport = options.transport ?? grpcOver(options);
  const transport = createTransport({
    baseUrl: options.baseUrl,
    defaultTimeoutMs: options.timeoutMs,
    interceptors: [
      correlated,
      guarded(resilience),
      observeClient(options.baseUrl),
      ...(options.token === undefined ? [] : [authorized(options.token)]),
    ],
  });
  return createClient(service, transport);
}

/** Of one response, after decompression; as gRPC's own default. */
const READ_MAX_BYTES = 4 * 1_024 * 1_024;

const grpcOver =
  ({ fastPath = true, ...connection }: ConnectionOptions & FastPath): CreateTransport =>
  (options) => {
    const watched = new WatchedConnection(options.baseUrl, connection);
    const common = { ...options, readMaxBytes: READ_MAX_BYTES };
    if (!fastPath) return createGrpcTransport({ ...common, sessionManager: watched });
    return createLeanTransport({
      ...common,
      connection: watched,
      acceptCompression: [compressionGzip, compressionBrotli],
    });
  };

const SCOPE = "@tercet/service";

function retryCounter({ typeName }: DescService): () => void {
  const counter = metrics.getMeter(SCOPE).createCounter("tercet.rpc.client.retries", {
    unit: "{retry}",
    description: "Attempts after the first one",
  });
  const attributes = { "rpc.service": typeName };
  // Start the series at 0, so that the first increase shows in a rate.
  counter.add(0, attributes);
  return () => counter.add(1, attributes);
}

function breakerEvents(
  { typeName }: DescService,
  log?: Logger,
): Pick<ResilienceEvents, "onOpened" | "onClosed"> {
  const about = (event: string, method: string) => ({
    event,
    rpc_service: typeName,
    rpc_method: method,
  });
  return {
    onOpened: (method, err) =>
      log?.warn({ ...about("circuit_breaker_opened", method), err }, "circuit breaker opened"),
    onClosed: (method, openMs) =>
      log?.info(
        { ...about("circuit_breaker_closed", method), open_ms: Math.round(openMs) },
        "circuit breaker closed",
      ),
  };
}

const LEVELS: Readonly<Record<CircuitState, number>> = {
  [CircuitState.Closed]: 0,
  [CircuitState.HalfOpen]: 1,
  [CircuitState.Open]: 2,
  [CircuitState.Isolated]: 2,
};

/** Never unregistered: a client lives as long as its process. */
function observeBreaker({ typeName }: DescService, resilience: Resilience): void {
  const gauge = metrics.getMeter(SCOPE).createObservableGauge("tercet.breaker.state", {
    description: "State of a client's circuit breaker: 0 closed, 1 half open, 2 open",
  });
  gauge.addCallback((result) =>
    result.observe(LEVELS[resilience.state], { "rpc.service": typeName }),
  );
}

const correlated: Interceptor = (next) => (req) => {
  const { correlationId } = logContext();
  if (correlationId !== undefined && !req.header.has(CORRELATION_HEADER))
    req.header.set(CORRELATION_HEADER, correlationId);
  return next(req);
};

function guarded(resilience: Resilience): Interceptor {
  return (next) => (req) => {
    if (req.stream) return next(req);
    const method = {
      name: `${req.service.typeName}/${req.method.name}`,
      idempotent: req.method.idempotency !== Idempotency.IDEMPOTENCY_UNKNOWN,
      keys: req.contextValues.get(behalfKey),
    };
    return resilience.run(method, (signal) => next({ ...req, signal }), req.signal);
  };
}

function authorized(token: () => Promise<string>): Interceptor {
  return (next) => async (req) => {
    req.header.set("authorization", `Bearer ${await untilAborted(token(), req.signal)}`);
    return next(req);
  };
}
