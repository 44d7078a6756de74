import { findSystem, pingPostgres, type Sql } from "@tercet/service";
import * as payments from "./postgres-payments.ts";
import type { PaymentStore } from "./store.ts";

export const MIGRATIONS = new URL("../migrations/", import.meta.url);

/**
 * Payments in PostgreSQL, one row each. Every change is one statement; the schema's checks back up
 * its conditions.
 */
export function postgresStore(sql: Sql): PaymentStore {
  // What must be recorded once the provider has been asked does not queue behind new calls.
  const work = sql.priority("work");
  return {
    open: (id, charge) => payments.openPayment(sql, id, charge),
    settle: (id, outcome) => payments.settle(work, id, outcome),
    abandon: (id, idleMs) => payments.abandon(work, id, idleMs),
    void: (id, reason) => payments.voidPayment(sql, id, reason),
    recordLateCharge: (id, reference, refund) =>
      payments.recordLateCharge(work, id, reference, refund),
    reserveRefund: (id, refund) => payments.reserveRefund(sql, id, refund),
    settleRefund: (id, refundId) => payments.settleRefund(work, id, refundId),
    markAttempted: (id) => payments.markAttempted(work, id),
    keepWatch: (id, forMs) => payments.keepWatch(work, id, forMs),
    get: (id) => payments.getPayment(sql, id),
    list: (filter, after, limit) => payments.listPayments(sql, filter, after, limit),
    listRefunded: (after, ageMs, limit) => payments.listRefunded(work, after, ageMs, limit),
    pendingSince: (ageMs, limit) => payments.pendingSince(work, ageMs, limit),
    watchedSince: (ageMs, limit) => payments.watchedSince(work, ageMs, limit),
    findSystem: () => findSystem(sql),
    ping: () => pingPostgres(sql),
    [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }),
  };
}
