import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { z } from "zod";
import { originProblem } from "./host/cors.ts";
import { hardenedLimits, type TlsOptions } from "./host/one-port.ts";
import { httpUrl } from "./urls.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** Returns the environment of the process; nothing else reads it. */
export const readEnv = (): Env => ({ ...process.env });

/** A process cannot start for a reason outside of it. The message is one sentence for a person. */
export class StartError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Returns the error of a database that refuses its service. */
export const unusableDatabase = (error: Error & { readonly code?: unknown }): StartError =>
  new StartError(`the database of DATABASE_URL cannot be used: ${error.message || error.code}`, {
    cause: error,
  });

/** An invalid configuration; the message names every problem at once. */
export class ConfigError extends StartError {
  readonly problems: readonly string[];

  constructor(service: string, problems: readonly string[]) {
    super(
      `${service} cannot start because its configuration is invalid:\n${problems.map((p) => `  ${p}`).join("\n")}`,
    );
    this.problems = problems;
  }
}

/** Parses the environment. An empty variable counts as unset. Throws ConfigError. */
export function parseEnv<S extends z.ZodType>(service: string, schema: S, env: Env): z.output<S> {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    service,
    parsed.error.issues.map(
      (issue) => `${issue.path.join(".") || "configuration"}: ${explain(issue)}`,
    ),
  );
}

function explain(issue: z.core.$ZodIssue): string {
  return issue.code === "invalid_type" && issue.message.includes("undefined")
    ? "is not set"
    : issue.message;
}

const integerIn = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, "must be a whole number")
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be from ${min} to ${max}`);

/** A whole number in a range, with a default. */
export const integer = (fallback: number, min: number, max: number) =>
  integerIn(min, max).default(fallback);

const list = z.string().transform((text) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean),
);

/** CORS_ORIGINS: origins separated by commas, with `*` for any port. */
export const originList = list.superRefine((origins, issues) => {
  for (const message of origins.map(originProblem))
    if (message !== undefined) issues.addIssue({ code: "custom", message });
});

/** Names of address ranges that Fastify knows, besides addresses and CIDR blocks. */
const NAMED_RANGES = ["loopback", "linklocal", "uniquelocal"];

function proxyProblem(proxy: string): string | undefined {
  const [address = "", bits = "0", ...rest] = proxy.split("/");
  const family = isIP(address);
  if (NAMED_RANGES.includes(proxy)) return undefined;
  if (family !== 0 && rest.length === 0 && /^\d{1,3}$/.test(bits))
    if (Number(bits) <= (family === 4 ? 32 : 128)) return undefined;
  return `${proxy} is not an address, a block of them like 10.0.0.0/8, or one of ${NAMED_RANGES.join(", ")}`;
}

const proxyList = list.superRefine((proxies, issues) => {
  for (const message of proxies.map(proxyProblem))
    if (message !== undefined) issues.addIssue({ code: "custom", message });
});

/** The variables of every service. Spread them into the service's own schema. */
export const serviceEnv = (port: number) => ({
  HOST: z.string().default("0.0.0.0"),
  PORT: integer(port, 0, 65_535),
  /**
   * A second port for the same protocols: a gateway that pools idle connections by address alone
   * (Kong) calls gRPC here, and everything else at PORT. None by default.
   */
  GRPC_PORT: integerIn(1, 65_535).optional(),
  NODE_ENV: z.string().optional(),
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  /** In every log line. Default: "production" if that is NODE_ENV, else "development". */
  ENVIRONMENT: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9._-]{0,62}$/,
      "must be up to 63 lower case letters, digits, dots, hyphens and underscores",
    )
    .optional(),
  /** Sends log lines to Loki as well: "https://user:password@loki:3100". */
  LOKI_URL: httpUrl.optional(),
  /** Paths of PEM files; set both or none. */
  TLS_CERT: z.string().optional(),
  TLS_KEY: z.string().optional(),
  TLS_CLIENT_CA: z.string().optional(),
  /**
   * Origins whose pages may call from a browser, separated by commas; none by default.
   * "http://localhost:*" is any port.
   */
  CORS_ORIGINS: originList.default([]),
  /**
   * Proxies whose `x-forwarded-for` names the caller, separated by commas: addresses, blocks like
   * 10.0.0.0/8, or loopback, linklocal, uniquelocal. None by default. Behind a proxy that is not
   * named, all callers have the proxy's address, and share its limits.
   */
  TRUSTED_PROXIES: proxyList.default([]),
  TOKEN_ISSUER: httpUrl,
  /**
   * Names the system that this service is part of: the same for its services, different from any
   * other system's. The first start writes it into the database; a service refuses the database of
   * another system. Default: TOKEN_ISSUER.
   */
  SYSTEM_ID: z
    .string()
    .regex(/^[!-~]{1,200}$/, "must be 1 to 200 printable characters without spaces")
    .optional(),
  TOKEN_AUDIENCE: z.string().min(1).default("tercet"),
  /** Default: /.well-known/jwks.json at TOKEN_ISSUER. */
  JWKS_URL: httpUrl.optional(),
  /**
   * The list of revoked tokens; default: /revocations where JWKS_URL is. "none" for an issuer that
   * publishes none: then a revoked token is accepted until it expires.
   */
  REVOCATIONS_URL: z.union([z.literal("none"), httpUrl]).optional(),
  /** The shared secret of the issuer (HS256), instead of JWKS_URL. */
  TOKEN_SECRET: z.string().min(32, "must be at least 32 characters").optional(),
  DEFAULT_TIMEOUT_MS: integer(10_000, 100, 30_000),
  MAX_TIMEOUT_MS: integer(30_000, 1_000, 600_000),
  /**
   * Calls per second of one user. A call that changes something counts five times, and twice as
   * many may come at once. 0: no limit.
   */
  CALLER_CALLS_PER_SECOND: integer(50, 0, 1_000_000),
  /** The same for one address, of calls without a token that is known to be valid. */
  ADDRESS_CALLS_PER_SECOND: integer(200, 0, 1_000_000),
  /**
   * Calls that may work at once: at least the first while work is late, up to the second while it
   * is not. Calls above are refused as OVERLOADED.
   */
  MIN_WORKING_CALLS: integer(8, 1, 100_000),
  MAX_WORKING_CALLS: integer(1_024, 1, 100_000),
  /**
   * Serves plain unary calls in a short way beside Connect's handlers (@tercet/wire), at a fraction
   * of the processor time. "off" serves and makes all calls by Connect.
   */
  FAST_PATH: z
    .enum(["on", "off"], "must be on or off")
    .transform((text) => text === "on")
    .default(true),
  /** Of one message, after decompression. */
  READ_MAX_BYTES: integer(65_536, 1_024, 4_194_304),
  /** Connections of this process to PostgreSQL; some are reserved for background work. */
  DATABASE_POOL_SIZE: integer(10, 3, 200),
  /**
   * Whether the service migrates its database at start. "false" where a job does that
   * (dist/migrate.js): then it refuses to start on a schema that is behind.
   */
  MIGRATE_AT_START: z
    .enum(["true", "false"], "must be true or false")
    .transform((text) => text === "true")
    .default(true),
  /** See `PortLimits`. */
  MAX_CONNECTION_AGE_MS: integer(hardenedLimits.maxConnectionAgeMs, 1_000, 86_400_000),
  /** See `PortLimits`. More for a gateway that keeps many connections from one address. */
  MAX_CONNECTIONS_PER_ADDRESS: integer(hardenedLimits.maxConnectionsPerAddress, 1, 100_000),
  /** The time for load balancers to notice that the service is not ready. */
  DRAIN_DELAY_MS: integer(0, 0, 60_000),
  /** The time for calls in flight to finish and for background work to be handed over. */
  DRAIN_TIMEOUT_MS: integer(10_000, 100, 120_000),
});

type ServiceEnv = z.output<z.ZodObject<ReturnType<typeof serviceEnv>>>;

/** The host's part of a service's configuration. */
export type ServiceConfig = Readonly<ReturnType<typeof serviceConfig>>;

/**
 * Of the database of a service: by default 10 connections, a migration at start, and the database
 * of any system.
 */
export type DatabaseConfig = Partial<
  Pick<ServiceConfig, "databasePoolSize" | "migrateAtStart" | "systemId">
>;

export function serviceConfig(env: ServiceEnv) {
  return {
    host: env.HOST,
    port: env.PORT,
    grpcPort: readGrpcPort(env),
    log: {
      level: env.LOG_LEVEL,
      environment:
        env.ENVIRONMENT ?? (env.NODE_ENV === "production" ? "production" : "development"),
      lokiUrl: env.LOKI_URL,
    },
    tls: readTls(env),
    corsOrigins: env.CORS_ORIGINS as readonly string[],
    trustedProxies: env.TRUSTED_PROXIES as readonly string[],
    systemId: env.SYSTEM_ID ?? env.TOKEN_ISSUER,
    token: {
      issuer: env.TOKEN_ISSUER,
      audience: env.TOKEN_AUDIENCE,
      jwksUrl: env.JWKS_URL,
      revocationsUrl: revocationsUrl(env),
      secret: env.TOKEN_SECRET,
    },
    defaultTimeoutMs: env.DEFAULT_TIMEOUT_MS,
    maxTimeoutMs: env.MAX_TIMEOUT_MS,
    admission: {
      minWorking: env.MIN_WORKING_CALLS,
      maxWorking: env.MAX_WORKING_CALLS,
      callerPerSecond: env.CALLER_CALLS_PER_SECOND,
      addressPerSecond: env.ADDRESS_CALLS_PER_SECOND,
    },
    fastPath: env.FAST_PATH,
    readMaxBytes: env.READ_MAX_BYTES,
    databasePoolSize: env.DATABASE_POOL_SIZE,
    migrateAtStart: env.MIGRATE_AT_START,
    drainDelayMs: env.DRAIN_DELAY_MS,
    drainTimeoutMs: env.DRAIN_TIMEOUT_MS,
    limits: {
      ...hardenedLimits,
      maxConnectionAgeMs: env.MAX_CONNECTION_AGE_MS,
      maxConnectionsPerAddress: env.MAX_CONNECTIONS_PER_ADDRESS,
    },
  };
}

function revocationsUrl({ REVOCATIONS_URL, JWKS_URL, TOKEN_ISSUER }: ServiceEnv) {
  if (REVOCATIONS_URL === "none") return undefined;
  return REVOCATIONS_URL ?? new URL("/revocations", JWKS_URL ?? TOKEN_ISSUER).href;
}

function readGrpcPort({ PORT, GRPC_PORT }: ServiceEnv): number | undefined {
  if (GRPC_PORT !== undefined && GRPC_PORT === PORT)
    throw new ConfigError("the service", [`GRPC_PORT: ${GRPC_PORT} is PORT's already`]);
  return GRPC_PORT;
}

function readTls({ TLS_CERT, TLS_KEY, TLS_CLIENT_CA }: ServiceEnv): TlsOptions | undefined {
  const problems: string[] = [];
  const pem = (name: string, path: string | undefined): string | undefined => {
    try {
      return path === undefined ? undefined : readFileSync(path, "utf8");
    } catch (error) {
      problems.push(`${name}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
      return undefined;
    }
  };
  const [cert, key, clientCa] = [
    pem("TLS_CERT", TLS_CERT),
    pem("TLS_KEY", TLS_KEY),
    pem("TLS_CLIENT_CA", TLS_CLIENT_CA),
  ];
  if ((TLS_CERT === undefined) !== (TLS_KEY === undefined))
    problems.push("TLS_CERT and TLS_KEY: set both or none");
  if (TLS_CLIENT_CA !== undefined && TLS_CERT === undefined)
    problems.push("TLS_CLIENT_CA: needs TLS_CERT and TLS_KEY");
  if (problems.length > 0) throw new ConfigError("the service", problems);
  if (cert === undefined || key === undefined) return undefined;
  return { cert, key, ...(clientCa !== undefined && { clientCa }) };
}
