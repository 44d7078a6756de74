/** What the crash lab shows, as JSON. Times are milliseconds since the epoch. */
export interface LabReport {
  readonly nowMs: number;
  readonly ordering: boolean;
  readonly provider: ProviderMood;
  readonly lanes: readonly Lane[];
  readonly orders: readonly LabOrder[];
  readonly counts: Counts;
  readonly money: MoneyReport | undefined;
  readonly faults: readonly FaultReport[];
}

export const PROVIDER_MOODS = ["works", "loses-answers", "declines", "refuses-refunds"] as const;
export type ProviderMood = (typeof PROVIDER_MOODS)[number];

export const FAULTS = [
  "kill-order",
  "kill-order-b",
  "freeze-order",
  "kill-payment",
  "restart-postgres",
] as const;
export type FaultName = (typeof FAULTS)[number];

/** A process, and when it was up, down or frozen. */
export interface Lane {
  readonly id: string;
  readonly name: string;
  readonly pid: number | undefined;
  readonly bands: readonly Band[];
}

export type LaneState = "up" | "down" | "frozen" | "absent";

export interface Band {
  readonly state: LaneState;
  readonly fromMs: number;
}

/** Where an order is. */
export interface LabOrder {
  readonly id: string;
  readonly status: string;
  readonly state: string;
  readonly step: string;
  readonly attempt: number;
  /** The name of the worker that holds its saga. */
  readonly worker: string | undefined;
  readonly updateMs: number;
}

/** Of the orders that the lab has placed. */
export interface Counts {
  readonly placed: number;
  readonly ended: number;
  readonly open: number;
  /** Accepted by the service, and not in its database any more. */
  readonly lost: number;
}

export interface MoneyReport {
  readonly readMs: number;
  readonly currencies: readonly {
    readonly currencyCode: string;
    /** In minor units, as decimal text. */
    readonly captured: string;
    readonly refunded: string;
    readonly confirmed: string;
    readonly difference: string;
  }[];
  /** Violated invariants, in words, with the orders. */
  readonly broken: readonly string[];
  readonly overdue: readonly string[];
  readonly parked: readonly string[];
  readonly orders: Readonly<Record<string, number>>;
}

/** One fault: what happened, and what came of it. */
export interface FaultReport {
  readonly id: number;
  readonly name: FaultName;
  readonly atMs: number;
  /** When the process was up again; undefined until then. */
  readonly upMs: number | undefined;
  /** How many orders the process was driving. */
  readonly held: number;
  /** When another worker took over the first of them. */
  readonly takenOverMs: number | undefined;
  readonly takenOverBy: string | undefined;
  /** How many of those have ended. */
  readonly ended: number;
  /** Whether every invariant held when they had. */
  readonly holds: boolean | undefined;
}
