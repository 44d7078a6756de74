import { hostname } from "node:os";
import type { ServiceName } from "@tercet/stack";

export type FaultKind =
  | `${ServiceName} killed`
  | "order frozen"
  | "PostgreSQL down"
  | "sessions ended"
  | "network reset"
  | "network slow"
  | "black hole";

/** Times are milliseconds since the epoch, as the database's, which is on this machine. */
export interface FaultRecord {
  readonly kind: FaultKind;
  readonly from: number;
  /** When it was over; undefined while it lasts. */
  to?: number;
  /** The worker that was hit, as sagas' timelines name it. */
  readonly worker?: string;
}

/** As the engine names its worker. */
export const workerOf = (pid: number): string => `${hostname()}:${pid}`;

/** What was done to the system, and when. */
export class Chronicle {
  readonly faults: FaultRecord[] = [];

  /** Ends the record when it is disposed of. */
  record(kind: FaultKind, worker?: string): Disposable {
    const fault: FaultRecord = { kind, from: Date.now(), ...(worker !== undefined && { worker }) };
    this.faults.push(fault);
    return {
      [Symbol.dispose]: () => {
        fault.to = Date.now();
      },
    };
  }

  count(kind: (kind: FaultKind) => boolean): number {
    return this.faults.filter((fault) => kind(fault.kind)).length;
  }

  /** When the last fault was over. */
  get lastEnd(): number {
    return Math.max(...this.faults.map(({ to = Date.now() }) => to));
  }
}
