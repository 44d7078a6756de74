import {
  countByStatus,
  findViolations,
  movementsOf,
  paymentOf,
  readSnapshot,
  type Sources,
  untilSettled,
} from "@tercet/audit";
import { readBook } from "@tercet/payment";
import { expect } from "vitest";
import { patient } from "./patience.ts";

/** The charges and refunds of one payment in the provider's book. */
export async function movedFor({ bookDir }: Pick<Sources, "bookDir">, paymentId: string) {
  return movementsOf((await readBook(bookDir)).filter((entry) => paymentOf(entry) === paymentId));
}

/** The numbers of charges and refunds of a payment in the provider's book. */
export async function moves(
  sources: Pick<Sources, "bookDir">,
  { paymentId }: { readonly paymentId: string },
): Promise<[number, number]> {
  const { charges, refunds } = await movedFor(sources, paymentId);
  return [charges.length, refunds.length];
}

export interface InvariantOptions {
  /** Order ids that clients were given, by request_id. */
  readonly acknowledged?: ReadonlyMap<string, string>;
  /** How long after the last fault all sagas must have ended, in milliseconds. */
  readonly withinMs?: number;
}

/**
 * Expects the invariants to hold, from the databases and the provider's book: no saga is left open
 * (I3), and `findViolations` finds none. Resolves to the number of orders in each status, so that a
 * test can check that there were some.
 */
export async function expectInvariants(
  sources: Sources,
  { acknowledged = new Map(), withinMs = patient(30_000) }: InvariantOptions = {},
): Promise<Record<string, number>> {
  expect(await untilSettled(sources, withinMs)).toEqual([]);
  const snapshot = await readSnapshot(sources);
  expect(findViolations(snapshot, acknowledged)).toEqual([]);
  return countByStatus(snapshot);
}
