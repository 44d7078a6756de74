import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { hashClientSecret, type SeedUser } from "@tercet/identity";
import type { Env } from "@tercet/service";
import { recordOf, type ServiceName, serviceEntry, serviceNames, urlVariable } from "./config.ts";
import { clientNames, clientSecretOf, type Secrets, seededUsers, systemIdOf } from "./secrets.ts";

/** What the services' environments are made from. */
export interface ServiceInputs {
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly databaseUrls: Readonly<Record<ServiceName, string>>;
  readonly secrets: Secrets;
  /** The folder of the simulated provider's book. */
  readonly bookDir: string;
}

/** Returns a built script of a service, also if this runs from source; "main" is the service. */
export function scriptOf(name: ServiceName, script: string): string {
  const index = createRequire(import.meta.url).resolve(`@tercet/${name}`);
  return join(dirname(index), `../dist/${script}.js`);
}

/** Returns the environment of each service, without HOST and PORT. */
export function serviceEnvs({
  urls,
  databaseUrls,
  secrets,
  bookDir,
}: ServiceInputs): Record<ServiceName, Env> {
  const SYSTEM_ID = systemIdOf(secrets);
  const verification = { JWKS_URL: `${urls.identity}/.well-known/jwks.json` };
  const own: Partial<Record<ServiceName, Env>> = {
    identity: {
      TOKEN_SIGNING_KEYS: JSON.stringify(secrets.signingKeys),
      SERVICE_CLIENTS: JSON.stringify(
        clientNames.map((name) => ({
          id: name,
          secretHash: hashClientSecret(clientSecretOf(secrets, name) ?? ""),
          audiences: serviceEntry(name).calls,
        })),
      ),
      SEED_USERS: JSON.stringify(seedUsers(secrets)),
    },
    payment: { PROVIDER_BOOK_DIR: bookDir },
  };
  return recordOf(serviceNames, (name) => ({
    SYSTEM_ID,
    TOKEN_ISSUER: urls.identity,
    ...(name !== "identity" && verification),
    DATABASE_URL: databaseUrls[name],
    ...callees(name, urls),
    SERVICE_CLIENT_SECRET: clientSecretOf(secrets, name),
    ...own[name],
  }));
}

/** Where a service finds those that it calls, and Identity, which issues its tokens for them. */
function callees(name: ServiceName, urls: ServiceInputs["urls"]): Env {
  const { calls } = serviceEntry(name);
  const called = serviceNames.filter(
    (other) => calls.includes(other) || (other === "identity" && calls.length > 0),
  );
  return Object.fromEntries(called.map((other) => [urlVariable(other), urls[other]]));
}

/** Returns the services in groups, each of which calls only services of the groups before it. */
export function calleesFirst(): ServiceName[][] {
  const rest = new Set(serviceNames);
  const groups: ServiceName[][] = [];
  while (rest.size > 0) {
    const ready = [...rest].filter((name) =>
      [...rest].every((other) => other === name || !serviceEntry(name).calls.includes(other)),
    );
    // Services that call each other stop together.
    groups.push(ready.length > 0 ? ready : [...rest]);
    for (const name of groups.at(-1) ?? []) rest.delete(name);
  }
  return groups;
}

const seedUsers = ({ passwords }: Secrets): SeedUser[] =>
  seededUsers.map(({ name, email, displayName, roles }) => ({
    email,
    displayName,
    roles: [...roles],
    password: passwords[name],
  }));
