import type { Random } from "./random.ts";

/**
 * How bad a world is. Every kind of fault is absent from some worlds: many kinds at once hide each
 * other.
 */
export interface Profile {
  readonly workers: number;
  readonly orders: number;
  readonly stock: number;
  /** Sagas that one worker takes at once. */
  readonly maxHeld: number;
  /** Of an order's payment: it is refused for good. */
  readonly declines: number;
  /** Of an order's refund: it fails until an operator mends it. */
  readonly refundsFail: number;
  /** Of a statement, each. */
  readonly statementLost: number;
  readonly statementReplyLost: number;
  /** The client sees an error and the statement is carried out all the same, later. */
  readonly statementLate: number;
  /** Of a message between services, each. */
  readonly messageLost: number;
  readonly messageDelayed: number;
  readonly messageDoubled: number;
  readonly connectionReset: number;
  /** Of a call of the provider. */
  readonly providerFails: number;
  /** How often each happens. */
  readonly crashes: number;
  readonly freezes: number;
  readonly stops: number;
  readonly turnBacks: number;
  readonly cancels: number;
  readonly databaseOutages: number;
  readonly paymentRestarts: number;
}

/**
 * Faults begin before this virtual time, in milliseconds; messages on their way may arrive long
 * after.
 */
export const FAULTS_END_MS = 15_000;

export function randomProfile(random: Random): Profile {
  const sometimes = (most: number): number => (random.chance(0.5) ? random.next() * most : 0);
  const times = (most: number): number => (random.chance(0.5) ? random.between(1, most) : 0);
  return {
    workers: random.between(2, 3),
    orders: random.between(3, 5),
    stock: random.between(2, 10),
    maxHeld: random.chance(0.2) ? 1 : 256,
    declines: sometimes(0.4),
    refundsFail: random.chance(0.03) ? 0.5 : 0,
    statementLost: sometimes(0.15),
    statementReplyLost: sometimes(0.15),
    statementLate: sometimes(0.1),
    messageLost: sometimes(0.3),
    messageDelayed: sometimes(0.3),
    messageDoubled: sometimes(0.3),
    connectionReset: sometimes(0.2),
    providerFails: sometimes(0.3),
    crashes: times(3),
    freezes: times(3),
    stops: times(2),
    turnBacks: times(3),
    cancels: times(3),
    databaseOutages: times(2),
    paymentRestarts: times(3),
  };
}
