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
import { databaseKind } from "./connect-store.ts";
import { paymentFailpoints } from "./failpoints.ts";

const shape = failpointsOnlyInTests(
  z.object({
    ...serviceEnv(5012),
    ...failpointEnv(paymentFailpoints),
    /** Its scheme decides which store is used. */
    DATABASE_URL: z.string().transform((url, context) => {
      const kind = databaseKind(url);
      if (kind !== undefined) return { kind, url };
      context.addIssue("must begin with mongodb://, mongodb+srv:// or postgres://");
      return z.NEVER;
    }),
    /** The folder of the simulated provider's book; processes may share it. */
    PROVIDER_BOOK_DIR: z.string().default(".data/provider-book"),
    /** The simulated provider declines at least this many minor units. */
    PROVIDER_LIMIT_MINOR_UNITS: integer(100_000, 1, 1_000_000_000_000),
    /** Bound of one call of the provider. */
    PROVIDER_TIMEOUT_MS: integer(3_000, 50, 60_000),
    /** A refund is listed after this time: longer than a statement may take. */
    REFUND_FEED_DELAY_MS: integer(10_000, 0, 600_000),
    RECONCILE_INTERVAL_MS: integer(1_000, 50, 3_600_000),
    RECONCILE_AFTER_MS: integer(5_000, 100, 3_600_000),
    /** Longer than callers retry a charge: Order's SAGA_DEADLINE_MS. */
    ABANDON_AFTER_MS: integer(900_000, 100, 86_400_000),
    RECONCILE_ABANDONED_EVERY_MS: integer(60_000, 50, 86_400_000),
    /** Longer than any process may be suspended before its call of the provider. */
    RECONCILE_ABANDONED_FOR_MS: integer(86_400_000, 100, 30 * 86_400_000),
  }),
)
  .refine(
    ({ RECONCILE_AFTER_MS, PROVIDER_TIMEOUT_MS }) => RECONCILE_AFTER_MS > PROVIDER_TIMEOUT_MS,
    {
      path: ["RECONCILE_AFTER_MS"],
      message:
        "must be more than PROVIDER_TIMEOUT_MS: a payment whose charge is in progress is not abandoned",
    },
  )
  .refine(({ RECONCILE_AFTER_MS, ABANDON_AFTER_MS }) => ABANDON_AFTER_MS >= RECONCILE_AFTER_MS, {
    path: ["ABANDON_AFTER_MS"],
    message: "must be at least RECONCILE_AFTER_MS",
  });

export type PaymentConfig = Readonly<ReturnType<typeof envToConfig>>;

/** Throws ConfigError, which names every problem. */
export function envToConfig(env: Env) {
  const parsed = parseEnv("payment", shape, env);
  return {
    service: serviceConfig(parsed),
    database: parsed.DATABASE_URL,
    simulator: {
      bookDir: parsed.PROVIDER_BOOK_DIR,
      limitMinorUnits: BigInt(parsed.PROVIDER_LIMIT_MINOR_UNITS),
    },
    providerTimeoutMs: parsed.PROVIDER_TIMEOUT_MS,
    refundFeedDelayMs: parsed.REFUND_FEED_DELAY_MS,
    reconciler: {
      intervalMs: parsed.RECONCILE_INTERVAL_MS,
      afterMs: parsed.RECONCILE_AFTER_MS,
      abandonAfterMs: parsed.ABANDON_AFTER_MS,
      watchEveryMs: parsed.RECONCILE_ABANDONED_EVERY_MS,
      watchForMs: parsed.RECONCILE_ABANDONED_FOR_MS,
    },
    failpoints: parsed.FAILPOINTS,
  };
}

/** The variables that this service reads. */
export const paymentSettings: readonly string[] = Object.keys(shape.shape);
