import {
  type DatabaseConfig,
  SchemaBehindError,
  StartError,
  unusableDatabase,
} from "@tercet/service";
import {
  type Collection,
  type IndexDescription,
  MongoClient,
  type MongoClientOptions,
  MongoServerError,
} from "mongodb";
import type { PaymentDocument } from "./mongo-document.ts";
import { reach } from "./mongo-errors.ts";
import * as payments from "./mongo-payments.ts";
import { claimDatabase, findSystem } from "./mongo-system.ts";
import { observeMongo } from "./mongo-telemetry.ts";
import type { PaymentStore } from "./store.ts";

const TIMEOUT_MS = 2_000;
const SLOW_TIMEOUT_MS = 5_000;
const NAMESPACE_NOT_FOUND = 26;
const INDEXES: readonly IndexDescription[] = [
  { key: { createTime: -1, _id: -1 } },
  { key: { orderId: 1 } },
  { key: { customerId: 1, createTime: -1, _id: -1 } },
  { key: { status: 1, createTime: -1, _id: -1 } },
  { key: { openWork: 1, attemptTime: 1 } },
  { key: { watched: 1, attemptTime: 1 } },
  { key: { updateTime: 1, _id: 1 }, partialFilterExpression: payments.REFUNDED },
];

/**
 * Connects to the database that the URL names and creates its indexes; if `migrateAtStart` is
 * false, throws SchemaBehindError instead when one is missing. Throws ForeignDatabaseError if the
 * database belongs to another system than `systemId`. Rejects if the server does not
 * respond within 2 s.
 */
export async function openMongoStore(
  url: string,
  { migrateAtStart = true, systemId }: DatabaseConfig = {},
): Promise<PaymentStore> {
  const client = observedClient(url);
  try {
    await (migrateAtStart ? createIndexes : requireIndexes)(payments.paymentsIn(client.db()));
    if (systemId !== undefined) await claimDatabase(client.db(), systemId);
  } catch (error) {
    await client.close();
    if (error instanceof StartError) throw error;
    throw unusableDatabase(error as Error);
  }
  return mongoStore(client);
}

/** For reading from outside of the service: nothing is connected yet, nothing created. */
export const connectMongoStore = (url: string): PaymentStore => mongoStore(observedClient(url));

function observedClient(url: string): MongoClient {
  const client = clientOf(url, {
    appName: "payment",
    monitorCommands: true,
    useBigInt64: true,
    writeConcern: { w: "majority", journal: true, wtimeoutMS: SLOW_TIMEOUT_MS },
    // Every wait is bounded; by default the driver waits 30 s for a server and without limit for a
    // reply.
    serverSelectionTimeoutMS: TIMEOUT_MS,
    connectTimeoutMS: TIMEOUT_MS,
    waitQueueTimeoutMS: TIMEOUT_MS,
    socketTimeoutMS: SLOW_TIMEOUT_MS,
  });
  observeMongo(client);
  return client;
}

function clientOf(url: string, options: MongoClientOptions): MongoClient {
  try {
    return new MongoClient(url, options);
  } catch (error) {
    throw unusableDatabase(error as Error);
  }
}

/**
 * Payments in MongoDB, one document each. Every change is one conditional update of one document,
 * acknowledged by a majority that has it in its journal. Only classic operators, no pipelines:
 * servers that merely speak MongoDB's protocol run them too.
 */
function mongoStore(client: MongoClient): PaymentStore {
  const db = client.db();
  return {
    open: (id, charge) => payments.openPayment(db, id, charge),
    settle: (id, outcome) => payments.settle(db, id, outcome),
    abandon: (id, idleMs) => payments.abandon(db, id, idleMs),
    void: (id, reason) => payments.voidPayment(db, id, reason),
    recordLateCharge: (id, reference, refund) =>
      payments.recordLateCharge(db, id, reference, refund),
    reserveRefund: (id, refund) => payments.reserveRefund(db, id, refund),
    settleRefund: (id, refundId) => payments.settleRefund(db, id, refundId),
    markAttempted: (id) => payments.markAttempted(db, id),
    keepWatch: (id, forMs) => payments.keepWatch(db, id, forMs),
    get: (id) => payments.getPayment(db, id),
    list: (filter, after, limit) => payments.listPayments(db, filter, after, limit),
    listRefunded: (after, ageMs, limit) => payments.listRefunded(db, after, ageMs, limit),
    pendingSince: (ageMs, limit) => payments.unattended(db, { openWork: { $gt: 0 } }, ageMs, limit),
    watchedSince: (ageMs, limit) => payments.unattended(db, { watched: true }, ageMs, limit),
    findSystem: () => findSystem(db),
    ping: async () => void (await reach(db.command({ ping: 1 }))),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function createIndexes(payments: Collection<PaymentDocument>): Promise<void> {
  await payments.createIndexes([...INDEXES]);
}

async function requireIndexes(payments: Collection<PaymentDocument>): Promise<void> {
  const existing = await payments.indexes().catch((error: unknown) => {
    if (error instanceof MongoServerError && error.code === NAMESPACE_NOT_FOUND) return [];
    throw error;
  });
  // As text: the order of an index's fields is part of it.
  const keys = new Set(existing.map(({ key }) => JSON.stringify(key)));
  const missing = INDEXES.map(({ key }) => JSON.stringify(key)).filter((key) => !keys.has(key));
  if (missing.length > 0) throw new SchemaBehindError(missing.map((key) => `the index ${key}`));
}
