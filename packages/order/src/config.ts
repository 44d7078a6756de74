import { hostname } from "node:os";
import {
  type Env,
  failpointEnv,
  failpointsOnlyInTests,
  httpUrl,
  integer,
  parseEnv,
  postgresUrl,
  serviceConfig,
  serviceEnv,
} from "@tercet/service";
import { z } from "zod";
import { orderFailpoints } from "./failpoints.ts";

const DAY_MS = 86_400_000;

const shape = failpointsOnlyInTests(
  z.object({
    ...serviceEnv(5011),
    ...failpointEnv(orderFailpoints),
    /** postgres://user:password@host:port/orders */
    DATABASE_URL: postgresUrl,
    PAYMENT_URL: httpUrl,
    IDENTITY_URL: httpUrl,
    /** Authenticates this service to Identity, which issues its tokens. */
    SERVICE_CLIENT_SECRET: z.string().min(16, "must be at least 16 characters"),
    /** How often refunds are read from Payment. */
    REFUND_FEED_INTERVAL_MS: integer(5_000, 50, 3_600_000),
    SAGA_DEADLINE_MS: integer(120_000, 1_000, DAY_MS),
    SAGA_COMPENSATION_BUDGET_MS: integer(DAY_MS, 1_000, 30 * DAY_MS),
    SAGA_STEP_TIMEOUT_MS: integer(5_000, 100, 60_000),
    /** How soon other replicas take over the sagas of one that is gone. */
    SAGA_LEASE_MS: integer(2_000, 1_000, 600_000),
    /**
     * Names this process over its restarts, and no other: when it starts, it takes back at once the
     * sagas that its earlier life held. Default: the host's name and PORT; none if PORT is 0.
     */
    INSTANCE_ID: z
      .string()
      .regex(/^[!-~]{1,200}$/, "must be 1 to 200 printable characters without spaces")
      .optional(),
  }),
);

export type OrderConfig = Readonly<ReturnType<typeof envToConfig>>;

/** Throws ConfigError, which names every problem. */
export function envToConfig(env: Env) {
  const parsed = parseEnv("order", shape, env);
  return {
    service: serviceConfig(parsed),
    databaseUrl: parsed.DATABASE_URL,
    paymentUrl: parsed.PAYMENT_URL,
    identityUrl: parsed.IDENTITY_URL,
    clientSecret: parsed.SERVICE_CLIENT_SECRET,
    saga: {
      deadlineMs: parsed.SAGA_DEADLINE_MS,
      compensationBudgetMs: parsed.SAGA_COMPENSATION_BUDGET_MS,
      stepTimeoutMs: parsed.SAGA_STEP_TIMEOUT_MS,
      leaseMs: parsed.SAGA_LEASE_MS,
      instance:
        parsed.INSTANCE_ID ?? (parsed.PORT === 0 ? undefined : `${hostname()}:${parsed.PORT}`),
    },
    refundFeedIntervalMs: parsed.REFUND_FEED_INTERVAL_MS,
    failpoints: parsed.FAILPOINTS,
  };
}

/** The variables that this service reads. */
export const orderSettings: readonly string[] = Object.keys(shape.shape);
