import type { ServiceProcess, Stack, StackProcess } from "@tercet/stack";
import type { Band, Lane, LaneState } from "./report.ts";

const FREEZE_MS = 10_000;
/** How much of a lane's past is kept. */
const KEPT_MS = 120_000;

interface Kept {
  readonly name: string;
  pid: number | undefined;
  bands: Band[];
}

/** The processes of the stack that the lab harms, and the state of each over time. */
export class Processes {
  readonly #stack: Stack;
  readonly #kept = new Map<string, Kept>();
  #replica: ServiceProcess | undefined;
  #frozen: number | undefined;

  constructor(stack: Stack) {
    this.#stack = stack;
    for (const [id, name] of [
      ["order", "Order A"],
      ["order-b", "Order B"],
      ["payment", "Payment"],
      ["postgres", "PostgreSQL"],
    ] as const)
      this.#kept.set(id, { name, pid: undefined, bands: [] });
  }

  get hasReplica(): boolean {
    return this.#replica !== undefined;
  }

  pidOf(id: string): number | undefined {
    if (id === "order-b") return this.#replica?.pid;
    return this.#supervised(id)?.pid;
  }

  /** Notes what has changed since the last look. */
  look(nowMs: number): void {
    for (const [id, kept] of this.#kept) {
      const pid = this.pidOf(id);
      const state = this.#stateOf(id, pid);
      const last = kept.bands.at(-1);
      // A process that was replaced between two looks was down in between.
      const replaced = pid !== undefined && kept.pid !== undefined && pid !== kept.pid;
      if (replaced && last?.state === "up")
        kept.bands.push({ state: "down", fromMs: nowMs - 1 }, { state, fromMs: nowMs });
      else if (last?.state !== state) kept.bands.push({ state, fromMs: nowMs });
      kept.pid = pid ?? kept.pid;
      const old = kept.bands.findLastIndex(({ fromMs }) => fromMs < nowMs - KEPT_MS);
      if (old > 0) kept.bands = kept.bands.slice(old);
    }
  }

  lanes(): Lane[] {
    return [...this.#kept].map(([id, { name, bands }]) => ({
      id,
      name,
      pid: this.pidOf(id),
      bands: [...bands],
    }));
  }

  /** Kills a process without a goodbye. The stack starts it again; a second Order stays away. */
  async kill(id: string): Promise<void> {
    if (id === "order-b") {
      const replica = this.#replica;
      this.#replica = undefined;
      replica?.kill("SIGKILL");
      await replica?.exited;
      return;
    }
    // PostgreSQL's processes end together, and what is committed remains.
    const signal = id === "postgres" ? "SIGQUIT" : "SIGKILL";
    const supervised = this.#supervised(id);
    if (supervised?.pid !== undefined) await supervised.kill(signal);
  }

  /** Resolves when the process is up again. */
  async ready(id: string): Promise<void> {
    await this.#supervised(id)?.ready();
  }

  /** Stops Order for a while, longer than a lease: it does not know that it was away. */
  freezeOrder(): number | undefined {
    const pid = this.pidOf("order");
    if (pid === undefined || this.#frozen !== undefined) return undefined;
    process.kill(pid, "SIGSTOP");
    this.#frozen = pid;
    setTimeout(() => this.thaw(), FREEZE_MS);
    return pid;
  }

  /** Lets a frozen process go on: a stack that stops must not wait for it. */
  thaw(): void {
    const pid = this.#frozen;
    this.#frozen = undefined;
    try {
      if (pid !== undefined) process.kill(pid, "SIGCONT");
    } catch {
      // It was killed meanwhile.
    }
  }

  async setReplica(wanted: boolean): Promise<void> {
    if (wanted && this.#replica === undefined) {
      const replica = await this.#stack.startReplica("order");
      this.#replica = replica;
      void replica.exited.then(() => {
        if (this.#replica === replica) this.#replica = undefined;
      });
    } else if (!wanted && this.#replica !== undefined) {
      const replica = this.#replica;
      this.#replica = undefined;
      await replica.stop();
    }
  }

  #supervised(id: string): StackProcess | undefined {
    if (id === "postgres") return this.#stack.postgres;
    return id === "order" || id === "payment" ? this.#stack.services[id] : undefined;
  }

  #stateOf(id: string, pid: number | undefined): LaneState {
    if (pid === undefined)
      return id === "order-b" || this.#supervised(id) === undefined ? "absent" : "down";
    return pid === this.#frozen ? "frozen" : "up";
  }
}
