import { resolve } from "node:path";
import { ROOT, recordOf, type ServiceName, serviceEntry, serviceNames } from "@tercet/cli";
import { paymentDatabaseUrl } from "@tercet/payment";
import { ConfigError, type Env, integer, originList, parseEnv, postgresUrl } from "@tercet/service";
import { z } from "zod";

export { recordOf, type ServiceName, serviceEntry, serviceNames } from "@tercet/cli";

/** `_grpc`: a second port of the same server, at the number that the system has in production. */
export type PortName = ServiceName | "payment_grpc" | "edge" | "edge_grpc" | "postgres";
export const portNames: readonly PortName[] = [
  ...serviceNames,
  "payment_grpc",
  "edge",
  "edge_grpc",
  "postgres",
];
export type StackPorts = Readonly<Record<PortName, number>>;

const upper = <Name extends string>(name: Name) => name.toUpperCase() as Uppercase<Name>;
export const portVariable = <Name extends PortName>(name: Name) => `${upper(name)}_PORT` as const;
export const databaseVariable = <Name extends ServiceName>(name: Name) =>
  `${upper(name)}_DATABASE_URL` as const;
/** Where its callers find a service. */
export const urlVariable = <Name extends ServiceName>(name: Name) => `${upper(name)}_URL` as const;

export interface StackConfig {
  /** The folder of the databases, logs, secrets and the provider's book. */
  readonly dataDir: string;
  /** 0 for any free port. */
  readonly ports: StackPorts;
  /** Origins whose pages may call the edge and the services from a browser. */
  readonly corsOrigins: readonly string[];
  /** Databases to use instead of the embedded ones. */
  readonly databaseUrls: Readonly<Record<ServiceName, string | undefined>>;
  /** Variables passed to each service, over those that the stack decides. */
  readonly serviceEnv: Readonly<Record<ServiceName, Env>>;
  /** Whether a process that ends unexpectedly is restarted. */
  readonly supervise: boolean;
}

/** The variables that each service reads: `orderSettings` of @tercet/order. */
const SETTINGS: ReadonlyMap<ServiceName, readonly string[]> = new Map(
  await Promise.all(serviceNames.map(async (name) => [name, await settingsOf(name)] as const)),
);
/** Settings whose values the stack decides. */
const DECIDED = new Set([
  ...["HOST", "PORT", "GRPC_PORT", "NODE_ENV", "FAILPOINTS", "DATABASE_URL"],
  ...serviceNames.map(urlVariable),
  ...[
    "TLS_CERT",
    "TLS_KEY",
    "TLS_CLIENT_CA",
    "JWKS_URL",
    "REVOCATIONS_URL",
    "SERVICE_CLIENTS",
    "SEED_USERS",
  ],
  ...["TOKEN_ISSUER", "TOKEN_AUDIENCE", "TOKEN_SECRET", "TOKEN_SIGNING_KEYS"],
  "SERVICE_CLIENT_SECRET",
]);
/** Read by OpenTelemetry and by Node, in every service. */
const READ_BY_LIBRARIES = /^(OTEL_[A-Z0-9_]+|NODE_EXTRA_CA_CERTS|TZ|PATH)$/;

async function settingsOf(name: ServiceName): Promise<readonly string[]> {
  const service = `@tercet/${name}`;
  const exported = (await import(service)) as Record<string, readonly string[] | undefined>;
  const settings = exported[`${name}Settings`];
  if (settings === undefined) throw new Error(`${service} exports no ${name}Settings`);
  return settings;
}

/** The variables of a stack that runs next to others: every port is any free one. */
export const ANY_PORT: Env = recordOf(portNames.map(portVariable), () => "0");

/** The variables of a stack whose few clients may make many calls: in tests and measurements. */
export const MANY_CALLS: Env = {
  CALLER_CALLS_PER_SECOND: "0",
  ADDRESS_CALLS_PER_SECOND: "0",
  MIN_WORKING_CALLS: "1000",
};

/** Pages under development, at any port of this machine. */
const LOCAL_ORIGINS = "http://localhost:*,http://127.0.0.1:*,http://[::1]:*";

const port = (fallback: number) => integer(fallback, 0, 65_535);

/** A variable for each name. */
const variables = <Name extends string, Variable extends string, T>(
  names: readonly Name[],
  variable: (name: Name) => Variable,
  make: (name: Name) => T,
) => Object.fromEntries(names.map((name) => [variable(name), make(name)])) as Record<Variable, T>;

const shape = z.object({
  DATA_DIR: z.string().default(resolve(ROOT, ".data")),
  ...variables(serviceNames, portVariable, (name) => port(serviceEntry(name).port)),
  PAYMENT_GRPC_PORT: port(50_051),
  EDGE_PORT: port(8000),
  EDGE_GRPC_PORT: port(9080),
  POSTGRES_PORT: port(5433),
  CORS_ORIGINS: z.string().default(LOCAL_ORIGINS).pipe(originList),
  ...variables(serviceNames, databaseVariable, (name) =>
    (serviceEntry(name).database.kinds.includes("mongodb")
      ? paymentDatabaseUrl
      : postgresUrl
    ).optional(),
  ),
});

/** Throws ConfigError naming every problem. */
export function envToConfig(environment: Env): StackConfig {
  const env = parseEnv("the stack", shape, environment);
  const ports = recordOf(portNames, (name) => env[portVariable(name)]);
  refuseSharedPorts(ports);
  const passedOn = (service: ServiceName): Env =>
    Object.fromEntries(
      Object.entries(environment).filter(
        ([name]) =>
          READ_BY_LIBRARIES.test(name) ||
          (SETTINGS.get(service)?.includes(name) === true && !DECIDED.has(name)),
      ),
    );
  return {
    dataDir: resolve(env.DATA_DIR),
    ports,
    corsOrigins: env.CORS_ORIGINS,
    databaseUrls: recordOf(serviceNames, (name) => env[databaseVariable(name)]),
    serviceEnv: recordOf(serviceNames, passedOn),
    supervise: true,
  };
}

function refuseSharedPorts(ports: StackPorts): void {
  const problems = portNames.flatMap((name) => {
    const first = portNames.find((other) => ports[other] === ports[name]) ?? name;
    if (ports[name] === 0 || first === name) return [];
    return [`${portVariable(name)}: ${ports[name]} is ${portVariable(first)}'s already`];
  });
  if (problems.length > 0) throw new ConfigError("the stack", problems);
}
