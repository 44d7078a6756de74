import { join } from "node:path";
import {
  recordOf,
  type ServiceName,
  type StackConfig,
  serviceEntry,
  serviceNames,
} from "./config.ts";
import { databaseUrl } from "./postgres.ts";

/** Where a stack keeps its durable state. */
export interface Places {
  readonly databaseUrls: Readonly<Record<ServiceName, string>>;
  /** The provider's book, for `readBook` of @tercet/payment. */
  readonly bookDir: string;
}

/** Names of the databases on the embedded server. */
export const DATABASES = recordOf(serviceNames, (name) => serviceEntry(name).database.name);

/** Returns the places of a stack with this configuration, running or not. */
export function placesOf({ databaseUrls, dataDir, ports, serviceEnv }: StackConfig): Places {
  return {
    databaseUrls: recordOf(
      serviceNames,
      (name) => databaseUrls[name] ?? databaseUrl(ports.postgres, DATABASES[name]),
    ),
    bookDir: serviceEnv.payment["PROVIDER_BOOK_DIR"] ?? join(dataDir, "provider-book"),
  };
}
