import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { hashClientSecret, type SeedUser } from "@tercet/identity";
import type { Env } from "@tercet/service";
import type { ServiceName } from "./config.ts";
import { type Secrets, seededUsers, systemIdOf } from "./secrets.ts";

/** What the services' environments are made from. */
export interface ServiceInputs {
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly databaseUrls: Readonly<Record<ServiceName, string>>;
  readonly secrets: Secrets;
  /** The folder of the simulated provider's book. */
  readonly bookDir: string;
}

/** Returns the built script that runs a service, also when this runs from source. */
export function mainOf(name: ServiceName): string {
  return join(
    dirname(createRequire(import.meta.url).resolve(`@tercet/${name}`)),
    "../dist/main.js",
  );
}

/** Returns the environment of each service, without HOST and PORT. */
export function serviceEnvs({
  urls,
  databaseUrls,
  secrets,
  bookDir,
}: ServiceInputs): Record<ServiceName, Env> {
  const SYSTEM_ID = systemIdOf(secrets);
  const verification = {
    SYSTEM_ID,
    TOKEN_ISSUER: urls.identity,
    JWKS_URL: `${urls.identity}/.well-known/jwks.json`,
  };
  return {
    identity: {
      SYSTEM_ID,
      TOKEN_ISSUER: urls.identity,
      TOKEN_SIGNING_KEYS: JSON.stringify(secrets.signingKeys),
      DATABASE_URL: databaseUrls.identity,
      SERVICE_CLIENTS: JSON.stringify([
        {
          id: "order",
          secretHash: hashClientSecret(secrets.orderClientSecret),
          audiences: ["payment"],
        },
      ]),
      SEED_USERS: JSON.stringify(seedUsers(secrets)),
    },
    order: {
      ...verification,
      DATABASE_URL: databaseUrls.order,
      PAYMENT_URL: urls.payment,
      IDENTITY_URL: urls.identity,
      SERVICE_CLIENT_SECRET: secrets.orderClientSecret,
    },
    payment: { ...verification, DATABASE_URL: databaseUrls.payment, PROVIDER_BOOK_DIR: bookDir },
  };
}

const seedUsers = ({ passwords }: Secrets): SeedUser[] =>
  seededUsers.map(({ name, email, displayName, roles }) => ({
    email,
    displayName,
    roles: [...roles],
    password: passwords[name],
  }));
