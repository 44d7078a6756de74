/** What an installation decides about its gateway. Change it here, then `pnpm generate`. */

import { services } from "@tercet/cli/repository";

export interface Upstream {
  readonly host: string;
  /** HTTP/1.1: Connect, gRPC-Web and JSON. */
  readonly port: number;
  /** Another port than `port`: see `addressProblems`. Both lead to the one port of the service. */
  readonly grpcPort: number;
}

/**
 * Where the services of a contract's package (`order.v1`: order) are. Compose and Kubernetes both
 * give them these names and ports.
 */
export const upstreams: Readonly<Record<string, Upstream>> = Object.fromEntries(
  services.map(({ name, port, grpcPort }) => [name, { host: name, port, grpcPort }]),
);

/** Where the console's server is, in Compose and in Kubernetes. */
export const consoleUpstream = { host: "console", port: 8080 } as const;

/**
 * Requests from one address to one replica of Kong. The services' own limits are per account, over
 * all replicas.
 */
export const limits = {
  general: { second: 50, minute: 1_500 },
  /** Expensive methods without a token: hashing a password takes 35 ms. */
  anonymous: { minute: 60, hour: 1_000 },
};

/** The largest message that a service reads (READ_MAX_BYTES). */
export const MAX_BODY_BYTES = 65_536;

/** In milliseconds. */
export const timeouts = {
  connect: 2_000,
  /** As long as the services read a body. */
  write: 10_000,
  /** Longer than any deadline (MAX_TIMEOUT_MS, 30 s): a service's own error says more. */
  answer: 35_000,
  /** Files of the console. */
  file: 10_000,
  /** Between two messages of a stream: a watched order may wait long for its payment. */
  silence: 3_600_000,
};

/** OTLP over HTTP. */
export const TRACES_ENDPOINT = "http://collector:4318/v1/traces";
