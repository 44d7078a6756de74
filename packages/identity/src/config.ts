import {
  type Env,
  integer,
  parseEnv,
  type ServiceConfig,
  serviceConfig,
  serviceEnv,
} from "@tercet/service";
import { z } from "zod";
import { type Signing, signingJwk } from "./keys.ts";
import { type SeedUser, seedUser } from "./seed.ts";
import { type ServiceClient, serviceClient } from "./service-clients.ts";

export interface IdentityConfig {
  readonly service: ServiceConfig;
  readonly signing: Signing;
  readonly store: { readonly kind: "memory" } | { readonly kind: "postgres"; readonly url: string };
  /** Seconds. */
  readonly accessTokenLifetime: number;
  /** Milliseconds, from login. */
  readonly sessionLifetime: number;
  readonly clients: readonly ServiceClient[];
  readonly seedUsers: readonly SeedUser[];
  /** How many logins may wait for a core. */
  readonly passwordQueue: number;
}

const DAY_S = 86_400;

const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        // Not the parser's message, which quotes the text: it may be a key.
        context.addIssue("is not JSON");
        return z.NEVER;
      }
    })
    .pipe(schema);

const distinct = (values: readonly unknown[]): boolean => new Set(values).size === values.length;

const signingKeys = z
  .object({ keys: z.array(signingJwk).min(1) })
  .refine(({ keys }) => distinct(keys.map(({ kid }) => kid)), "has two keys with one kid");
const serviceClients = z
  .array(serviceClient)
  .refine((clients) => distinct(clients.map(({ id }) => id)), "has two clients with one id");

const shape = z.object({
  ...serviceEnv(5010),
  IDENTITY_STORE: z.enum(["postgres", "memory"]).default("postgres"),
  DATABASE_URL: z.string().optional(),
  /** A JSON Web Key Set of private ES256 keys; the first signs. Instead of TOKEN_SECRET. */
  TOKEN_SIGNING_KEYS: json(signingKeys).optional(),
  ACCESS_TOKEN_SECONDS: integer(600, 10, 900),
  REFRESH_TOKEN_SECONDS: integer(30 * DAY_S, 60, 365 * DAY_S),
  SERVICE_CLIENTS: json(serviceClients).default([]),
  SEED_USERS: json(z.array(seedUser)).default([]),
  PASSWORD_QUEUE: integer(64, 0, 10_000),
});
type IdentityEnv = z.output<typeof shape>;

/**
 * Looked at although another variable is wrong, where zod would leave it out; but not when one of
 * its own is wrong already.
 */
const unlessWrong =
  (...names: readonly string[]) =>
  ({ issues }: z.core.ParsePayload) =>
    !issues.some(({ path }) => names.includes(String(path?.[0])));

const checked = shape
  .refine(
    ({ IDENTITY_STORE, DATABASE_URL }) => IDENTITY_STORE === "memory" || DATABASE_URL !== undefined,
    {
      path: ["DATABASE_URL"],
      error: "is not set, and IDENTITY_STORE is not memory",
      when: unlessWrong("IDENTITY_STORE", "DATABASE_URL"),
    },
  )
  .refine(
    ({ TOKEN_SIGNING_KEYS, TOKEN_SECRET }) =>
      (TOKEN_SIGNING_KEYS === undefined) !== (TOKEN_SECRET === undefined),
    {
      path: ["TOKEN_SIGNING_KEYS"],
      error: "exactly one of TOKEN_SIGNING_KEYS (ES256) and TOKEN_SECRET (HS256) must be set",
      when: unlessWrong("TOKEN_SIGNING_KEYS", "TOKEN_SECRET"),
    },
  )
  .refine(
    ({ SERVICE_CLIENTS, TOKEN_AUDIENCE }) =>
      !SERVICE_CLIENTS.some(({ audiences }) => audiences.includes(TOKEN_AUDIENCE)),
    {
      path: ["SERVICE_CLIENTS"],
      // Every service accepts that audience, and a service's token is to be good for one.
      error: "an audience is the name of one service, not TOKEN_AUDIENCE",
      when: unlessWrong("SERVICE_CLIENTS", "TOKEN_AUDIENCE"),
    },
  );

/** Throws ConfigError naming every problem. */
export function envToConfig(environment: Env): IdentityConfig {
  const env = parseEnv("identity", checked, environment);
  return {
    service: serviceConfig(env),
    signing: toSigning(env),
    store:
      env.IDENTITY_STORE === "memory"
        ? { kind: "memory" }
        : { kind: "postgres", url: env.DATABASE_URL ?? "" },
    accessTokenLifetime: env.ACCESS_TOKEN_SECONDS,
    sessionLifetime: env.REFRESH_TOKEN_SECONDS * 1000,
    clients: env.SERVICE_CLIENTS,
    seedUsers: env.SEED_USERS,
    passwordQueue: env.PASSWORD_QUEUE,
  };
}

const toSigning = ({ TOKEN_SIGNING_KEYS, TOKEN_SECRET }: IdentityEnv): Signing =>
  TOKEN_SIGNING_KEYS === undefined
    ? { alg: "HS256", secret: new TextEncoder().encode(TOKEN_SECRET) }
    : { alg: "ES256", keys: TOKEN_SIGNING_KEYS.keys };

/** The variables that this service reads. */
export const identitySettings: readonly string[] = Object.keys(shape.shape);
