import { resolve } from "node:path";
import { ROOT } from "@tercet/cli";
import { ConfigError, type Env, integer, parseEnv } from "@tercet/service";
import { z } from "zod";

export const serviceNames = ["identity", "order", "payment"] as const;
export type ServiceName = (typeof serviceNames)[number];

export const portNames = [...serviceNames, "edge", "postgres"] as const;
export type PortName = (typeof portNames)[number];
export type StackPorts = Readonly<Record<PortName, number>>;

export interface StackConfig {
  /** Databases, logs, the provider's book and the secrets. */
  readonly dataDir: string;
  /** 0 for any free port. */
  readonly ports: StackPorts;
  /** Databases to use instead of the embedded ones. */
  readonly databaseUrls: Readonly<Partial<Record<ServiceName, string>>>;
  /** What the services are given besides what the stack decides, by service. */
  readonly serviceEnv: Readonly<Record<ServiceName, Env>>;
  /** Whether what dies is started again. */
  readonly supervise: boolean;
}

/**
 * Settings of the services that may be set for the whole stack; everything else in the environment
 * stays outside.
 */
const PASSED_ON =
  /^(LOG_LEVEL|ENVIRONMENT|CORS_ORIGINS|DRAIN_TIMEOUT_MS|LOKI_URL|NODE_EXTRA_CA_CERTS|TZ|PATH|(OTEL|SAGA|PROVIDER|RECONCILE)_[A-Z0-9_]+)$/;

/** For a stack next to others: every part takes any free port. */
export const ANY_PORT: Env = {
  IDENTITY_PORT: "0",
  ORDER_PORT: "0",
  PAYMENT_PORT: "0",
  EDGE_PORT: "0",
  POSTGRES_PORT: "0",
};

const port = (fallback: number) => integer(fallback, 0, 65_535);
const postgresUrl = z.string().regex(/^postgres(ql)?:\/\//, "must begin with postgres://");
const paymentUrl = z
  .string()
  .regex(
    /^(postgres(ql)?|mongodb(\+srv)?):\/\//,
    "must begin with postgres://, mongodb:// or mongodb+srv://",
  );

const shape = z.object({
  DATA_DIR: z.string().default(resolve(ROOT, ".data")),
  IDENTITY_PORT: port(5010),
  ORDER_PORT: port(5011),
  PAYMENT_PORT: port(5012),
  EDGE_PORT: port(8000),
  POSTGRES_PORT: port(5433),
  IDENTITY_DATABASE_URL: postgresUrl.optional(),
  ORDER_DATABASE_URL: postgresUrl.optional(),
  PAYMENT_DATABASE_URL: paymentUrl.optional(),
});

/** Throws ConfigError naming every problem. */
export function envToConfig(environment: Env): StackConfig {
  const env = parseEnv("the stack", shape, environment);
  const {
    IDENTITY_PORT: identity,
    ORDER_PORT: order,
    PAYMENT_PORT: payment,
    EDGE_PORT: edge,
    POSTGRES_PORT: postgres,
  } = env;
  const ports = { identity, order, payment, edge, postgres };
  refuseSharedPorts(ports);
  const passedOn = Object.fromEntries(
    Object.entries(environment).filter(([name]) => PASSED_ON.test(name)),
  );
  return {
    dataDir: resolve(env.DATA_DIR),
    ports,
    databaseUrls: {
      ...(env.IDENTITY_DATABASE_URL !== undefined && { identity: env.IDENTITY_DATABASE_URL }),
      ...(env.ORDER_DATABASE_URL !== undefined && { order: env.ORDER_DATABASE_URL }),
      ...(env.PAYMENT_DATABASE_URL !== undefined && { payment: env.PAYMENT_DATABASE_URL }),
    },
    serviceEnv: { identity: passedOn, order: passedOn, payment: passedOn },
    supervise: true,
  };
}

export const portVariable = (name: PortName): string => `${name.toUpperCase()}_PORT`;

function refuseSharedPorts(ports: StackPorts): void {
  const fixed = Object.entries(ports).filter(([, number]) => number !== 0);
  const problems = fixed.flatMap(([name, number], index) => {
    const [first] = fixed.slice(0, index).find(([, other]) => other === number) ?? [];
    if (first === undefined) return [];
    return [
      `${portVariable(name as PortName)}: ${number} is ${portVariable(first as PortName)}'s already`,
    ];
  });
  if (problems.length > 0) throw new ConfigError("the stack", problems);
}
