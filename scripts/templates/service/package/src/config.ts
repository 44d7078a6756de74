import {
  type Env,
  failpointEnv,
  failpointsOnlyInTests,
  parseEnv,
  serviceConfig,
  serviceEnv,
} from "@tercet/service";
import { z } from "zod";
import { acmeFailpoints } from "./failpoints.ts";

const shape = failpointsOnlyInTests(
  z.object({
    ...serviceEnv(5019),
    ...failpointEnv(acmeFailpoints),
    /** postgres://user:password@host:port/acme */
    DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, "must begin with postgres://"),
  }),
);

export type AcmeConfig = Readonly<ReturnType<typeof envToConfig>>;

/** Throws ConfigError, which names every problem. */
export function envToConfig(env: Env) {
  const parsed = parseEnv("acme", shape, env);
  return {
    service: serviceConfig(parsed),
    databaseUrl: parsed.DATABASE_URL,
    failpoints: parsed.FAILPOINTS,
  };
}

/** The variables that this service reads. */
export const acmeSettings: readonly string[] = Object.keys(shape.shape);
