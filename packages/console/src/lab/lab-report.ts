/** What the crash lab of the embedded stack reports: as report.ts of packages/proof/lab. */
export interface LabReport {
  readonly nowMs: number;
  readonly ordering: boolean;
  readonly provider: ProviderMood;
  readonly lanes: readonly Lane[];
  readonly orders: readonly LabOrder[];
  readonly counts: {
    readonly placed: number;
    readonly ended: number;
    readonly open: number;
    readonly lost: number;
  };
  readonly money?: MoneyReport;
  readonly faults: readonly FaultReport[];
}

export type ProviderMood = "works" | "loses-answers" | "declines" | "refuses-refunds";
export type FaultName =
  | "kill-order"
  | "kill-order-b"
  | "freeze-order"
  | "kill-payment"
  | "restart-postgres";
export type LaneState = "up" | "down" | "frozen" | "absent";

export interface Lane {
  readonly id: string;
  readonly name: string;
  readonly pid?: number;
  readonly bands: readonly { readonly state: LaneState; readonly fromMs: number }[];
}

export interface LabOrder {
  readonly id: string;
  readonly status: string;
  readonly state: string;
  readonly step: string;
  readonly attempt: number;
  readonly worker?: string;
  readonly updateMs: number;
}

export interface MoneyReport {
  readonly readMs: number;
  readonly currencies: readonly {
    readonly currencyCode: string;
    readonly captured: string;
    readonly refunded: string;
    readonly confirmed: string;
    readonly difference: string;
  }[];
  readonly broken: readonly string[];
  readonly overdue: readonly string[];
  readonly parked: readonly string[];
  readonly orders: Readonly<Record<string, number>>;
}

export interface FaultReport {
  readonly id: number;
  readonly name: FaultName;
  readonly atMs: number;
  readonly upMs?: number;
  readonly held: number;
  readonly takenOverMs?: number;
  readonly takenOverBy?: string;
  readonly ended: number;
  readonly holds?: boolean;
}
