import { join } from "node:path";
import {
  recordOf,
  type ServiceName,
  type StackConfig,
  serviceEntry,
  serviceNames,
} from "./config.ts";
import { databaseUrl } from "./postgres.ts";
import type { Secrets } from "./secrets.ts";

/** Where a stack keeps its durable state. */
export interface Places {
  readonly databaseUrls: Readonly<Record<ServiceName, string>>;
  /** The provider's book, for `readBook` of @tercet/payment. */
  readonly bookDir: string;
}

/** Names of the databases on the embedded server. */
export const DATABASES = recordOf(serviceNames, (name) => serviceEntry(name).database.name);

/**
 * Returns the places of a stack with this configuration, running or not. The password is the one in
 * its secrets.
 */
export function placesOf(
  { databaseUrls, dataDir, ports, serviceEnv }: StackConfig,
  { postgresPassword: password }: Pick<Secrets, "postgresPassword">,
): Places {
  return {
    databaseUrls: recordOf(
      serviceNames,
      (name) =>
        databaseUrls[name] ?? databaseUrl({ port: ports.postgres, password }, DATABASES[name]),
    ),
    bookDir: serviceEnv.payment["PROVIDER_BOOK_DIR"] ?? join(dataDir, "provider-book"),
  };
}
