import { hostname } from "node:os";
import type { ServiceName } from "@tercet/stack";

export type FaultKind =
  | `${ServiceName} killed`
  | "order frozen"
  | "PostgreSQL down"
  | "MongoDB killed"
  | "MongoDB frozen"
  | "MongoDB stepped down"
  | "sessions ended"
  | "network reset"
  | "network slow"
  | "black hole";

/** Times are milliseconds since the epoch, as the database's, which is on this machine. */
export interface FaultRecord {
  readonly kind: FaultKind;
  readonly from: number;
  /** Undefined while the fault lasts. */
  to?: number;
  /** The affected worker, as sagas' timelines name it. */
  readonly worker?: string;
  /** The open sagas that the worker held, each with the number of its events. */
  held?: readonly { readonly id: string; readonly events: number }[];
}

/** Returns the name that the saga engine gives to the worker of a process. */
export const workerOf = (pid: number): string => `${hostname()}:${pid}`;

/** The faults that were injected, in their order. */
export class FaultLog {
  readonly faults: FaultRecord[] = [];

  start(kind: FaultKind, worker?: string): FaultRecord {
    const fault: FaultRecord = { kind, from: Date.now(), ...(worker !== undefined && { worker }) };
    this.faults.push(fault);
    return fault;
  }

  /** The fault ends when the record is disposed of. */
  record(kind: FaultKind): Disposable {
    const fault = this.start(kind);
    return {
      [Symbol.dispose]: () => {
        fault.to = Date.now();
      },
    };
  }

  count(suffix: string): number {
    return this.faults.filter(({ kind }) => kind.endsWith(suffix)).length;
  }

  /** The time at which the last fault ended. */
  get lastEnd(): number {
    return Math.max(...this.faults.map(({ to = Date.now() }) => to));
  }
}
