import { migratePostgres, prepareSchema, type ServiceConfig } from "@tercet/service";
import { MongoPaymentStore } from "./mongo-store.ts";
import { PostgresPaymentStore } from "./postgres-store.ts";
import type { PaymentStore } from "./store.ts";

export type DatabaseKind = "mongodb" | "postgres";

export const migrations = new URL("../migrations/", import.meta.url);

const MONGODB = /^mongodb(\+srv)?:\/\//;
const POSTGRES = /^postgres(ql)?:\/\//;

/** What a database's URL names; undefined when it is neither. */
export function databaseKind(url: string): DatabaseKind | undefined {
  if (MONGODB.test(url)) return "mongodb";
  return POSTGRES.test(url) ? "postgres" : undefined;
}

/** The store in a database whose schema is there already. `poolSize` is for PostgreSQL. */
export async function connectPaymentStore(url: string, poolSize?: number): Promise<PaymentStore> {
  return databaseKind(url) === "mongodb"
    ? MongoPaymentStore.connect(url)
    : new PostgresPaymentStore(url, poolSize);
}

type Opening = Pick<ServiceConfig, "databasePoolSize" | "migrateAtStart">;

/**
 * The store, once its schema is up to date. Throws SchemaBehindError when it may not migrate, and
 * would have to.
 */
export async function openPaymentStore(
  { kind, url }: { readonly kind: DatabaseKind; readonly url: string },
  { databasePoolSize, migrateAtStart }: Opening,
): Promise<PaymentStore> {
  if (kind === "mongodb") return MongoPaymentStore.connect(url, { migrate: migrateAtStart });
  await prepareSchema(url, migrations, migrateAtStart);
  return new PostgresPaymentStore(url, databasePoolSize);
}

/** Brings a payment database's schema up to date; MongoDB's is its indexes. */
export async function migratePaymentStore(url: string): Promise<void> {
  if (databaseKind(url) === "mongodb")
    await (await MongoPaymentStore.connect(url))[Symbol.asyncDispose]();
  else await migratePostgres(url, migrations);
}
