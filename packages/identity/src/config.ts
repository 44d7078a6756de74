import {
  type Env,
  integer,
  parseEnv,
  postgresUrl,
  serviceConfig,
  serviceEnv,
} from "@tercet/service";
import { z } from "zod";
import { type Signing, signingJwk } from "./keys.ts";
import { seedUser } from "./seed.ts";
import { serviceClient } from "./service-clients.ts";

const DAY_SECONDS = 86_400;

const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        // Not the parser's message: it quotes the text, which may be a key.
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
  DATABASE_URL: postgresUrl.optional(),
  /** A JSON Web Key Set of private ES256 keys; the first signs. Instead of TOKEN_SECRET. */
  TOKEN_SIGNING_KEYS: json(signingKeys).optional(),
  ACCESS_TOKEN_SECONDS: integer(600, 10, 900),
  /** From login. */
  REFRESH_TOKEN_SECONDS: integer(30 * DAY_SECONDS, 60, 365 * DAY_SECONDS),
  SERVICE_CLIENTS: json(serviceClients).default([]),
  SEED_USERS: json(z.array(seedUser)).default([]),
  /** How many logins may wait for a CPU core. */
  PASSWORD_QUEUE: integer(64, 0, 10_000),
  /** Failed logins in 15 minutes, of one address and of all, at one replica. */
  LOGIN_FAILURES_PER_ADDRESS: integer(50, 1, 1_000_000),
  LOGIN_FAILURES_IN_ALL: integer(2_000, 1, 1_000_000),
  /** Attempts to register in an hour, of one address and of all, at one replica. */
  REGISTRATIONS_PER_ADDRESS: integer(60, 1, 1_000_000),
  REGISTRATIONS_IN_ALL: integer(1_000, 1, 1_000_000),
});
type IdentityEnv = z.output<typeof shape>;

/**
 * For `when` of a refinement (https://zod.dev/api#when): runs it although another variable is
 * wrong, where zod by default skips it, but not if one of the named variables is wrong.
 */
const unlessWrong =
  (...names: readonly string[]) =>
  ({ issues }: z.core.ParsePayload) =>
    !issues.some(({ path }) => names.includes(String(path?.[0])));

const checkedShape = shape
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
      // Every service accepts that audience, but a service's token is for one service.
      error: "an audience is the name of one service, not TOKEN_AUDIENCE",
      when: unlessWrong("SERVICE_CLIENTS", "TOKEN_AUDIENCE"),
    },
  );

export type IdentityConfig = Readonly<ReturnType<typeof envToConfig>>;

/** Throws ConfigError, which names every problem. */
export function envToConfig(env: Env) {
  const parsed = parseEnv("identity", checkedShape, env);
  return {
    service: serviceConfig(parsed),
    signing: toSigning(parsed),
    store:
      parsed.IDENTITY_STORE === "memory"
        ? ({ kind: "memory" } as const)
        : ({ kind: "postgres", url: parsed.DATABASE_URL ?? "" } as const),
    accessTokenLifetimeSeconds: parsed.ACCESS_TOKEN_SECONDS,
    sessionLifetimeMs: parsed.REFRESH_TOKEN_SECONDS * 1_000,
    clients: parsed.SERVICE_CLIENTS,
    seedUsers: parsed.SEED_USERS,
    passwordQueue: parsed.PASSWORD_QUEUE,
    limits: {
      logins: {
        perKey: parsed.LOGIN_FAILURES_PER_ADDRESS,
        inAll: parsed.LOGIN_FAILURES_IN_ALL,
        windowMs: 15 * 60_000,
      },
      registrations: {
        perKey: parsed.REGISTRATIONS_PER_ADDRESS,
        inAll: parsed.REGISTRATIONS_IN_ALL,
        windowMs: 60 * 60_000,
      },
    },
  };
}

const toSigning = ({ TOKEN_SIGNING_KEYS, TOKEN_SECRET }: IdentityEnv): Signing =>
  TOKEN_SIGNING_KEYS === undefined
    ? { alg: "HS256", secret: new TextEncoder().encode(TOKEN_SECRET) }
    : { alg: "ES256", keys: TOKEN_SIGNING_KEYS.keys };

/** The variables that this service reads. */
export const identitySettings: readonly string[] = Object.keys(shape.shape);
