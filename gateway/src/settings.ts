/** What an installation decides about its gateway. Change it here, then `pnpm generate`. */

/**
 * Where the services of a contract's package (`order.v1`: order) are. Compose and Kubernetes both
 * give them these names.
 */
export const upstreams: Readonly<Record<string, { readonly host: string; readonly port: number }>> =
  {
    identity: { host: "identity", port: 5010 },
    order: { host: "order", port: 5011 },
    payment: { host: "payment", port: 5012 },
  };

/**
 * Whose pages may call from a browser. Listed one by one: `*` would let any page call as whoever is
 * logged in.
 */
export const origins: readonly string[] = [
  "http://localhost:3000",
  "http://localhost:5173",
  "http://localhost:8080",
];

/**
 * Of one address, at one replica of Kong. The services' own limits are by account, and hold for all
 * replicas.
 */
export const limits = {
  general: { second: 50, minute: 1_500 },
  /** Methods that cost something and need no token: a password takes 35 ms to hash. */
  anonymous: { minute: 60, hour: 1_000 },
};

/** What a service reads of one message (READ_MAX_BYTES). */
export const MAX_BODY_BYTES = 65_536;

/** In milliseconds. */
export const timeouts = {
  connect: 2_000,
  /** A body is read for as long by the services. */
  write: 10_000,
  /**
   * A service answers after 30 s at most (MAX_TIMEOUT_MS), and its answer says more than the
   * gateway's could.
   */
  answer: 35_000,
  /** Between two messages of a stream: a watched order may wait long for its payment. */
  silence: 3_600_000,
};

/** OTLP over HTTP. */
export const TRACES_ENDPOINT = "http://collector:4318/v1/traces";
