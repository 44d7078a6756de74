import { hostname } from "node:os";
import type { Observer } from "./observer.ts";
import type { Processes } from "./processes.ts";
import type { FaultName, FaultReport } from "./report.ts";

const TARGETS: Readonly<Record<FaultName, string>> = {
  "kill-order": "order",
  "kill-order-b": "order-b",
  "freeze-order": "order",
  "kill-payment": "payment",
  "restart-postgres": "postgres",
};
const KEPT = 12;
/** A fault of which nothing more is expected. */
const FOLLOWED_MS = 60_000;

interface Fault {
  readonly id: number;
  readonly name: FaultName;
  readonly atMs: number;
  readonly worker: string | undefined;
  upMs: number | undefined;
  held: readonly { readonly id: string; readonly subject: string }[];
  takenOver: { readonly atMs: number; readonly worker: string } | undefined;
  ended: number;
  holds: boolean | undefined;
}

/** The faults of the lab, and what came of each. */
export class Faults {
  readonly #processes: Processes;
  readonly #observer: Observer;
  #all: Fault[] = [];
  #last = 0;

  constructor(processes: Processes, observer: Observer) {
    this.#processes = processes;
    this.#observer = observer;
  }

  /** Does it. Returns false if there is nothing to do it to. */
  async inject(name: FaultName): Promise<boolean> {
    const target = TARGETS[name];
    const pid = this.#processes.pidOf(target);
    if (pid === undefined) return false;
    this.#last += 1;
    const worker = target.startsWith("order") ? `${hostname()}:${pid}` : undefined;
    const fault: Fault = {
      id: this.#last,
      ...{ name, worker, atMs: Date.now() },
      ...{ upMs: undefined, held: [], takenOver: undefined, ended: 0, holds: undefined },
    };
    if (name === "freeze-order" && this.#processes.freezeOrder() === undefined) return false;
    this.#all = [...this.#all, fault].slice(-KEPT);
    if (name !== "freeze-order") await this.#processes.kill(target);
    // The database remembers who held what.
    if (worker !== undefined) fault.held = await this.#observer.heldBy(worker).catch(() => []);
    if (name !== "kill-order-b" && name !== "freeze-order")
      void this.#processes.ready(target).then(() => {
        fault.upMs = Date.now();
      });
    return true;
  }

  /** Finds out what came of the faults. `holds`: whether every invariant holds. */
  async follow(holds: boolean | undefined): Promise<void> {
    for (const fault of this.#all) await this.#followOne(fault, holds);
  }

  async #followOne(fault: Fault, holds: boolean | undefined): Promise<void> {
    const { name, atMs, worker, held } = fault;
    if (fault.holds !== undefined || Date.now() - atMs > FOLLOWED_MS) return;
    if (name === "freeze-order" && this.#processes.lanes()[0]?.bands.at(-1)?.state === "up")
      fault.upMs ??= Date.now();
    const ids = held.map(({ id }) => id);
    if (worker !== undefined && ids.length > 0 && fault.takenOver === undefined)
      fault.takenOver = await this.#observer.takeOver(ids, worker, atMs);
    const states = await this.#observer.endedOf(held.map(({ subject }) => subject));
    fault.ended = [...states.values()].filter(Boolean).length;
    const isOver = fault.ended === held.length && (fault.upMs !== undefined || held.length > 0);
    if (isOver && name !== "kill-order-b" && fault.upMs === undefined) return;
    if (isOver) fault.holds = holds;
  }

  reports(): FaultReport[] {
    return this.#all.toReversed().map((fault) => ({
      id: fault.id,
      name: fault.name,
      atMs: fault.atMs,
      upMs: fault.upMs,
      held: fault.held.length,
      takenOverMs: fault.takenOver?.atMs,
      takenOverBy: fault.takenOver?.worker,
      ended: fault.ended,
      holds: fault.holds,
    }));
  }
}
