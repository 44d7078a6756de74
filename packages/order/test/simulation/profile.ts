import type { Random } from "./random.ts";

/**
 * How often each fault occurs in a world. Each kind is absent from some worlds, because many kinds
 * at once hide each other.
 */
export interface Profile {
  readonly workers: number;
  readonly orders: number;
  /** Orders are placed within this time. */
  readonly ordersMs: number;
  readonly stock: number;
  /** Sagas that one worker holds at once. */
  readonly maxHeld: number;
  /** Probability that an order's payment is declined. */
  readonly declines: number;
  /** Probability that an order's refund fails until an operator repairs it. */
  readonly refundsFail: number;
  /** Probabilities for each statement. */
  readonly statementLost: number;
  readonly statementReplyLost: number;
  /** The database rolls it back, and says so. */
  readonly statementRefused: number;
  /** The client gets an error, and the statement is executed later. */
  readonly statementLate: number;
  /** Probabilities for each message between services. */
  readonly messageLost: number;
  readonly messageDelayed: number;
  readonly messageDuplicated: number;
  readonly connectionReset: number;
  /** Probability for each call to the provider. */
  readonly providerFails: number;
  /** Numbers of occurrences. */
  readonly crashes: number;
  readonly freezes: number;
  readonly impersonations: number;
  readonly stops: number;
  readonly compensations: number;
  readonly cancels: number;
  readonly resolutions: number;
  readonly databaseOutages: number;
  readonly paymentRestarts: number;
}

/** Faults begin before this virtual time; messages in flight may arrive long after it. */
export const FAULTS_END_MS = 15_000;

export function randomProfile(random: Random): Profile {
  const sometimes = (most: number): number => (random.chance(0.5) ? random.next() * most : 0);
  const times = (most: number): number => (random.chance(0.5) ? random.between(1, most) : 0);
  // Many at once: their transitions wait for each other, and go in groups.
  const busy = random.chance(0.2);
  return {
    workers: random.between(2, 3),
    orders: busy ? random.between(8, 14) : random.between(3, 5),
    // In the first part of the time of faults.
    ordersMs: busy ? 300 : 6_000,
    stock: random.between(2, 10),
    maxHeld: random.chance(0.2) ? 1 : 256,
    declines: sometimes(0.4),
    refundsFail: random.chance(0.03) ? 0.5 : 0,
    statementLost: sometimes(0.15),
    statementReplyLost: sometimes(0.15),
    statementRefused: sometimes(0.15),
    statementLate: sometimes(0.1),
    messageLost: sometimes(0.3),
    messageDelayed: sometimes(0.3),
    messageDuplicated: sometimes(0.3),
    connectionReset: sometimes(0.2),
    providerFails: sometimes(0.3),
    crashes: times(3),
    freezes: times(3),
    impersonations: random.chance(0.2) ? random.between(1, 2) : 0,
    stops: times(2),
    compensations: times(3),
    cancels: times(3),
    resolutions: random.chance(0.2) ? 2 : 0,
    databaseOutages: times(2),
    paymentRestarts: times(3),
  };
}
