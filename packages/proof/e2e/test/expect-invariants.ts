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

/** What the provider's book says about one payment. */
export async function movedFor({ bookDir }: Pick<Sources, "bookDir">, paymentId: string) {
  return movementsOf((await readBook(bookDir)).filter((entry) => paymentOf(entry) === paymentId));
}

/** How many charges and refunds of a payment the provider's book has. */
export async function moves(
  sources: Pick<Sources, "bookDir">,
  { paymentId }: { readonly paymentId: string },
): Promise<[number, number]> {
  const { charges, refunds } = await movedFor(sources, paymentId);
  return [charges.length, refunds.length];
}

export interface InvariantOptions {
  /** Orders that clients were told of, by request_id. */
  readonly acknowledged?: ReadonlyMap<string, string>;
  /** How long after the last fault everything must have ended. */
  readonly withinMs?: number;
}

/**
 * What must hold however the system was treated, from its databases and the provider's book:
 * nothing is left open (I3), and then none of `findViolations`. Answers how many orders there are in
 * each status, so that a test can tell that it held something.
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
