import {
  type Env,
  failpointEnv,
  failpointsOnlyInTests,
  integer,
  parseEnv,
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
    DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, "must begin with postgres://"),
    PAYMENT_URL: z.url(),
    IDENTITY_URL: z.url(),
    /** Authenticates this service to Identity, which issues its tokens. */
    SERVICE_CLIENT_SECRET: z.string().min(16, "must be at least 16 characters"),
    /** How often refunds are read from Payment. */
    REFUND_FEED_INTERVAL_MS: integer(5_000, 50, 3_600_000),
    SAGA_DEADLINE_MS: integer(120_000, 1_000, DAY_MS),
    SAGA_COMPENSATION_BUDGET_MS: integer(DAY_MS, 1_000, 30 * DAY_MS),
    SAGA_STEP_TIMEOUT_MS: integer(5_000, 100, 60_000),
    SAGA_LEASE_MS: integer(5_000, 1_000, 600_000),
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
    },
    refundFeedIntervalMs: parsed.REFUND_FEED_INTERVAL_MS,
    failpoints: parsed.FAILPOINTS,
  };
}

/** The variables that this service reads. */
export const orderSettings: readonly string[] = Object.keys(shape.shape);
