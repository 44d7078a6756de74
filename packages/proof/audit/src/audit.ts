import { setTimeout as sleep } from "node:timers/promises";
import {
  type CurrencyMoney,
  countByStatus,
  findViolations,
  isBehind,
  moneyByCurrency,
  netCaptured,
  paymentOf,
  refundedStrays,
  resolutions,
  unknownSagas,
  withoutOpenOrders,
  withoutSettledOutside,
} from "./invariants.ts";
import { type PaymentRow, readSnapshot, type Snapshot, type Sources } from "./snapshot.ts";

export interface AuditOptions {
  /** An order that has been open for longer is reported. */
  readonly openForMs: number;
  readonly signal?: AbortSignal;
}

export interface AuditReport {
  /** The number of orders in each status. */
  readonly orders: Readonly<Record<string, number>>;
  /** Of the orders that have ended, in minor units by currency. */
  readonly netCaptured: ReadonlyMap<string, bigint>;
  /** The sums behind it, by currency. */
  readonly money: readonly CurrencyMoney[];
  /** Violated invariants. */
  readonly broken: readonly string[];
  /** Sagas and payments that have been open for too long. */
  readonly overdue: readonly string[];
  /** Sagas that wait for an operator. */
  readonly parked: readonly string[];
  /** Refunded payments without an order. The money is right, but an order was lost. */
  readonly refundedStrays: readonly string[];
  /** Orders that an operator settled outside, and what the provider still holds of them. */
  readonly resolutions: readonly string[];
  /** Sagas of a version that this program does not know; their steps are not checked. */
  readonly unknownSagas: readonly string[];
}

/**
 * Databases and book are not read at one instant, so a difference counts only if each of this many
 * snapshots has it.
 */
const SNAPSHOTS = 3;
const BETWEEN_SNAPSHOTS_MS = 1_000;

/** Audits a system that may be running. Open orders are left out, unless they are overdue. */
export async function auditMoney(
  sources: Sources,
  { openForMs, signal }: AuditOptions,
): Promise<AuditReport> {
  let snapshot = await readSnapshot(sources);
  let broken = brokenIn(snapshot);
  for (let count = 1; count < SNAPSHOTS && broken.length > 0; count++) {
    await sleep(BETWEEN_SNAPSHOTS_MS, undefined, { signal });
    snapshot = await readSnapshot(sources);
    const still = new Set(brokenIn(snapshot));
    broken = broken.filter((violation) => still.has(violation));
  }
  return {
    orders: countByStatus(snapshot),
    netCaptured: netCaptured(withoutOpenOrders(snapshot).book),
    money: moneyByCurrency(snapshot),
    broken,
    overdue: overdue(snapshot, openForMs),
    parked: snapshot.sagas
      .filter(({ state }) => state === "NEEDS_ATTENTION")
      .map(({ kind, subject }) => `${kind} of order ${subject} waits for an operator`),
    refundedStrays: refundedStrays(snapshot).map(
      (paymentId) => `payment ${paymentId} belongs to no order; it was refunded in full`,
    ),
    resolutions: resolutions(snapshot),
    unknownSagas: unknownSagas(snapshot),
  };
}

/** Allows refunded strays, which restoring a backup leaves behind. Tests do not allow them. */
function brokenIn(snapshot: Snapshot): string[] {
  const strays = new Set(refundedStrays(snapshot));
  const book = snapshot.book.filter((entry) => !strays.has(paymentOf(entry)));
  return findViolations(withoutOpenOrders({ ...snapshot, book }));
}

/** I3, of a running system. */
function overdue(snapshot: Snapshot, openForMs: number): string[] {
  const { orders, sagas, payments } = withoutSettledOutside(snapshot);
  const isOld = ({ updateTime }: PaymentRow) => Date.now() - updateTime.getTime() > openForMs;
  const settled = new Map(
    payments.filter((payment) => isOld(payment)).map((payment) => [payment.id, payment]),
  );
  const behind = orders.filter((order) => isBehind(order, settled.get(order.paymentId)));
  const late = sagas.filter(
    ({ state, ageMs }) => ["RUNNING", "COMPENSATING"].includes(state) && ageMs > openForMs,
  );
  const waiting = payments.filter((payment) => payment.waits && isOld(payment));
  return [
    ...late.map(
      ({ kind, subject, state, ageMs }) =>
        `I3: ${kind} of order ${subject} has been ${state} for ${Math.round(ageMs / 1000)} s`,
    ),
    ...waiting.map(
      ({ id, status }) =>
        `I3: payment ${id} (${status}) has waited for the provider for more than ${openForMs / 1000} s`,
    ),
    ...behind.map(
      ({ id }) =>
        `I3: order ${id} has not shown a refund of its payment for more than ${openForMs / 1000} s`,
    ),
  ];
}
