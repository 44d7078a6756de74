import { setTimeout as sleep } from "node:timers/promises";
import { type Everything, readEverything, type Sources } from "./everything.ts";
import { givenBack, kept, paymentOf, settled, violations } from "./invariants.ts";

export interface AuditOptions {
  /** An order that has been under way for longer is reported. */
  readonly openForMs: number;
  readonly signal?: AbortSignal;
}

export interface AuditReport {
  /** How many orders there are in each status. */
  readonly orders: Readonly<Record<string, number>>;
  /** What the provider kept for the orders that have ended, in minor units, by currency. */
  readonly kept: ReadonlyMap<string, bigint>;
  /** What breaks an invariant. */
  readonly broken: readonly string[];
  /** What should have ended long ago. */
  readonly overdue: readonly string[];
  /** What waits for an operator. */
  readonly parked: readonly string[];
  /**
   * What belongs to no order and of which nothing is kept: it breaks no invariant of money, but
   * somebody's order is not there.
   */
  readonly givenBack: readonly string[];
}

/**
 * The databases and the book are not read at one instant: what is broken is so at each of so many
 * looks.
 */
const LOOKS = 3;
const BETWEEN_LOOKS_MS = 1_000;

/**
 * Audits a system that may be running: what is under way is left out of the count, and reported
 * when it has been so for too long.
 */
export async function auditMoney(
  sources: Sources,
  { openForMs, signal }: AuditOptions,
): Promise<AuditReport> {
  let everything = await readEverything(sources);
  let broken = brokenIn(everything);
  for (let looks = 1; looks < LOOKS && broken.length > 0; looks++) {
    await sleep(BETWEEN_LOOKS_MS, undefined, { signal });
    everything = await readEverything(sources);
    const still = new Set(brokenIn(everything));
    broken = broken.filter((violation) => still.has(violation));
  }
  const byStatus = Object.entries(Object.groupBy(everything.orders, ({ status }) => status));
  return {
    orders: Object.fromEntries(byStatus.map(([status, some]) => [status, some.length])),
    kept: kept(settled(everything).book),
    broken,
    overdue: overdue(everything, openForMs),
    parked: parked(everything),
    givenBack: givenBack(everything).map(
      (paymentId) => `payment ${paymentId} belongs to no order; nothing of it is kept`,
    ),
  };
}

/**
 * Tests are stricter: only where a backup was restored may there be payments of no order, when they
 * were given back.
 */
function brokenIn(everything: Everything): string[] {
  const strangers = new Set(givenBack(everything));
  return violations(
    settled({
      ...everything,
      book: everything.book.filter((entry) => !strangers.has(paymentOf(entry))),
    }),
  );
}

/** I3, of a system that runs. */
function overdue({ sagas, payments }: Everything, openForMs: number): string[] {
  const late = sagas.filter(
    ({ state, ageMs }) => ["RUNNING", "COMPENSATING"].includes(state) && ageMs > openForMs,
  );
  const waiting = payments.filter(
    ({ waits, updateTime }) => waits && Date.now() - updateTime.getTime() > openForMs,
  );
  return [
    ...late.map(
      ({ kind, subject, state, ageMs }) =>
        `I3: ${kind} of order ${subject} has been ${state} for ${Math.round(ageMs / 1000)} s`,
    ),
    ...waiting.map(
      ({ id, status }) =>
        `I3: payment ${id} (${status}) has waited for the provider for more than ${openForMs / 1000} s`,
    ),
  ];
}

const parked = ({ sagas }: Everything): string[] =>
  sagas
    .filter(({ state }) => state === "NEEDS_ATTENTION")
    .map(({ kind, subject }) => `${kind} of order ${subject} waits for an operator`);
