import { grouped } from "@tercet/group";
import { findSystem, isRolledBack, pingPostgres, type Sql } from "@tercet/service";
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
  const keyOf = ({ id }: { readonly id: string }) => id;
  const insert = grouped({
    run: (openings: readonly payments.Opening[]) => payments.insertPayments(sql, openings),
    keyOf,
    isRolledBack,
  });
  const settle = grouped({
    run: (all: readonly payments.Settlement[]) => payments.settlePayments(work, all),
    keyOf,
    isRolledBack,
  });
  return {
    async open(id, charge) {
      const payment = await insert({ id, charge });
      return payment ? { payment, changed: true } : await payments.reopenPayment(sql, id);
    },
    async settle(id, outcome) {
      const payment = await settle({ id, outcome });
      return payment ? { payment, changed: true } : await payments.unchanged(work, id);
    },
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
