import {
  connectPostgres,
  type DatabaseConfig,
  migratePostgres,
  openPostgres,
} from "@tercet/service";
import { openMongoStore } from "./mongo-store.ts";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import type { PaymentStore } from "./store.ts";

export type DatabaseKind = "mongodb" | "postgres";

const MONGODB = /^mongodb(\+srv)?:\/\//;
const POSTGRES = /^postgres(ql)?:\/\//;

/** Returns the kind of database that the URL names; undefined if it is neither. */
export function databaseKind(url: string): DatabaseKind | undefined {
  if (MONGODB.test(url)) return "mongodb";
  return POSTGRES.test(url) ? "postgres" : undefined;
}

/**
 * Opens the store once its schema is up to date. Throws SchemaBehindError if that takes a migration
 * and `migrateAtStart` is false.
 */
export async function openPaymentStore(
  url: string,
  config: DatabaseConfig = {},
): Promise<PaymentStore> {
  return databaseKind(url) === "mongodb"
    ? openMongoStore(url, config)
    : postgresStore(await openPostgres("payment", url, MIGRATIONS, config));
}

/** Connects to a database whose schema is up to date: for reading it from outside the service. */
export async function connectPaymentStore(url: string): Promise<PaymentStore> {
  return databaseKind(url) === "mongodb"
    ? openMongoStore(url)
    : postgresStore(connectPostgres(url, { applicationName: "payment" }));
}

/** Brings a payment database's schema up to date; MongoDB's schema is its indexes. */
export async function migratePaymentStore(url: string): Promise<void> {
  if (databaseKind(url) === "postgres") return migratePostgres(url, MIGRATIONS);
  await (await openMongoStore(url))[Symbol.asyncDispose]();
}
