import { join } from "node:path";
import { type ServiceName, type StackConfig, serviceNames } from "./config.ts";
import { databaseUrl } from "./postgres.ts";

/** Where a stack keeps what it must not lose. */
export interface Places {
  readonly databaseUrls: Readonly<Record<ServiceName, string>>;
  /** The provider's book, for `readBook` of @tercet/payment. */
  readonly bookDir: string;
}

/** Of the embedded server. */
export const DATABASES: Readonly<Record<ServiceName, string>> = {
  identity: "identity",
  order: "orders",
  payment: "payments",
};

/** Of a stack with this configuration and these ports, whether or not it runs. */
export function placesOf({ databaseUrls, dataDir, ports, serviceEnv }: StackConfig): Places {
  const urls = serviceNames.map((name) => [
    name,
    databaseUrls[name] ?? databaseUrl(ports.postgres, DATABASES[name]),
  ]);
  return {
    databaseUrls: Object.fromEntries(urls) as Record<ServiceName, string>,
    bookDir: serviceEnv.payment["PROVIDER_BOOK_DIR"] ?? join(dataDir, "provider-book"),
  };
}
