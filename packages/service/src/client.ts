import type { DescService } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { untilAborted } from "./abort.ts";
import { createResilience, type Resilience, type ResilienceOptions } from "./resilience.ts";
import { type ConnectionOptions, WatchedConnection } from "./watched-connection.ts";

export interface ServiceClientOptions extends Partial<ResilienceOptions>, ConnectionOptions {
  /** "http://payment:5012" */
  readonly baseUrl: string;
  /** The token to call with. */
  readonly token?: () => Promise<string>;
  /** For calls that bring no deadline of their own; covers all attempts. */
  readonly timeoutMs: number;
}

/**
 * A typed client of another service over gRPC. The deadline, the cancellation and the correlation id of the call it serves go along by
 * `forward(context)`. A call that timed out is unknown, not failed.
 */
export function createServiceClient<S extends DescService>(service: S, options: ServiceClientOptions): Client<S> {
  const resilience = createResilience({
    attemptTimeoutMs: options.timeoutMs,
    maxAttempts: 3,
    maxInFlight: 256,
    maxQueued: 256,
    ...options,
  });
  const transport = createGrpcTransport({
    baseUrl: options.baseUrl,
    defaultTimeoutMs: options.timeoutMs,
    sessionManager: new WatchedConnection(options.baseUrl, options),
    interceptors: [guarded(resilience), ...(options.token === undefined ? [] : [authorized(options.token)])],
  });
  return createClient(service, transport);
}

function guarded(resilience: Resilience): Interceptor {
  return (next) => (req) => {
    if (req.stream) return next(req);
    const idempotent = req.method.idempotency !== Idempotency.IDEMPOTENCY_UNKNOWN;
    return resilience.run(idempotent, (signal) => next({ ...req, signal }), req.signal);
  };
}

function authorized(token: () => Promise<string>): Interceptor {
  return (next) => async (req) => {
    req.header.set("authorization", `Bearer ${await untilAborted(token(), req.signal)}`);
    return next(req);
  };
}
