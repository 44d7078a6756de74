import { MongoPaymentStore } from "./mongo-store.ts";
import { PostgresPaymentStore } from "./postgres-store.ts";
import type { PaymentStore } from "./store.ts";

export type DatabaseKind = "mongodb" | "postgres";

const MONGODB = /^mongodb(\+srv)?:\/\//;
const POSTGRES = /^postgres(ql)?:\/\//;

/** What a database's URL names; undefined when it is neither. */
export function databaseKind(url: string): DatabaseKind | undefined {
  if (MONGODB.test(url)) return "mongodb";
  return POSTGRES.test(url) ? "postgres" : undefined;
}

/** The store in a database whose schema is there already. `poolSize` is for PostgreSQL. */
export async function connectPaymentStore(url: string, poolSize?: number): Promise<PaymentStore> {
  return databaseKind(url) === "mongodb" ? MongoPaymentStore.connect(url) : new PostgresPaymentStore(url, poolSize);
}
