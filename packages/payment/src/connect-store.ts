import {
  type BackupRow,
  connectPostgres,
  type DatabaseConfig,
  databaseUrl,
  exportPostgres,
  migratePostgres,
  openPostgres,
  restorePostgres,
} from "@tercet/service";
import { MIGRATIONS, postgresStore } from "./postgres-store.ts";
import type { PaymentStore } from "./store.ts";

export type DatabaseKind = "mongodb" | "postgres";

/** The address of a payment database; its scheme says of which kind it is. */
export const paymentDatabaseUrl = databaseUrl("mongodb", "mongodb+srv", "postgres", "postgresql");

export const databaseKind = (url: string): DatabaseKind =>
  url.startsWith("mongodb") ? "mongodb" : "postgres";

/** The driver is loaded only where it is used. */
const mongo = () => import("./mongo-store.ts");
const mongoBackup = () => import("./mongo-backup.ts");

/**
 * Opens the store once its schema is up to date. Throws SchemaBehindError if that takes a migration
 * and `migrateAtStart` is false.
 */
export async function openPaymentStore(
  url: string,
  config: DatabaseConfig = {},
): Promise<PaymentStore> {
  return databaseKind(url) === "mongodb"
    ? (await mongo()).openMongoStore(url, config)
    : postgresStore(await openPostgres("payment", url, MIGRATIONS, config));
}

/** Connects to a database whose schema is up to date: for reading it from outside the service. */
export async function connectPaymentStore(url: string): Promise<PaymentStore> {
  return databaseKind(url) === "mongodb"
    ? (await mongo()).connectMongoStore(url)
    : postgresStore(connectPostgres(url, { applicationName: "payment" }));
}

/** Brings a payment database's schema up to date; MongoDB's schema is its indexes. */
export async function migratePaymentStore(url: string): Promise<void> {
  if (databaseKind(url) === "postgres") return migratePostgres(url, MIGRATIONS);
  await (await (await mongo()).openMongoStore(url))[Symbol.asyncDispose]();
}

/** Yields every row or document, for a backup. */
export async function* exportPaymentStore(url: string): AsyncGenerator<BackupRow> {
  if (databaseKind(url) === "postgres") yield* exportPostgres(url);
  else yield* (await mongoBackup()).exportMongo(url);
}

/** Restores a backup of a database of the same kind into a new database. */
export async function importPaymentStore(url: string, path: string): Promise<void> {
  if (databaseKind(url) === "postgres") return restorePostgres(url, MIGRATIONS, path);
  await migratePaymentStore(url);
  await (await mongoBackup()).importMongo(url, path);
}
