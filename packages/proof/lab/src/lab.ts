import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { auditMoney } from "@tercet/audit";
import { REFUNDS_WORK } from "@tercet/payment";
import type { Stack, StackExtension } from "@tercet/stack";
import type { FastifyInstance } from "fastify";
import { Buyer } from "./buyer.ts";
import { Faults } from "./faults.ts";
import { labRoutes } from "./lab-routes.ts";
import { Observer } from "./observer.ts";
import { Processes } from "./processes.ts";
import type { Counts, FaultName, LabReport, MoneyReport, ProviderMood } from "./report.ts";

const LOOK_MS = 200;
const AUDIT_MS = 2_000;
const OVERDUE_MS = 300_000;
/** Of the orders that the lab has placed, as many are checked. */
const REMEMBERED = 2_000;
/** Two looks that do not find an order, as one may be taken while the database restarts. */
const LOST_LOOKS = 3;

/** The crash lab: harms the running system, and reports what comes of it. */
export class Lab implements StackExtension {
  readonly #listeners = new Set<(report: LabReport) => void>();
  readonly #accepted = new Map<string, { ended: boolean; missed: number }>();
  readonly #over = new AbortController();
  #parts: Parts | undefined;
  #mood: ProviderMood = "works";
  #orders: LabReport["orders"] = [];
  #money: MoneyReport | undefined;
  #placed = 0;
  #ended = 0;
  #lost = 0;
  #looking: Promise<unknown> = Promise.resolve();

  get settings() {
    return { lab: true };
  }

  routes(app: FastifyInstance): void {
    labRoutes(app, this);
  }

  get stack(): Stack | undefined {
    return this.#parts?.stack;
  }

  /** Begins to look at the system, once it runs. */
  attach(stack: Stack): void {
    const observer = new Observer(stack.databaseUrls.order);
    const processes = new Processes(stack);
    const buyer = new Buyer({
      stack,
      mood: () => this.#mood,
      onAccepted: (id) => this.#accept(id),
    });
    this.#parts = { stack, observer, processes, buyer, faults: new Faults(processes, observer) };
    const parts = this.#parts;
    this.#looking = Promise.all([this.#watchProcesses(parts), this.#look(parts)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    this.#listeners.clear();
    this.#parts?.processes.thaw();
    await Promise.all([this.#parts?.buyer.stop(), this.#looking]);
    await this.#parts?.observer.close();
  }

  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Calls the listener with each report. */
  subscribe(listener: (report: LabReport) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  inject = async (name: FaultName): Promise<boolean> =>
    (await this.#parts?.faults.inject(name)) ?? false;

  setOrdering(wanted: boolean): void {
    this.#parts?.buyer.setOrdering(wanted);
  }

  setReplica = async (wanted: boolean): Promise<void> =>
    await this.#parts?.processes.setReplica(wanted);

  /** Decides what the provider makes of the next orders. Refunds of all orders work again. */
  async setMood(mood: ProviderMood): Promise<void> {
    this.#mood = mood;
    const file = join(this.#parts?.stack.bookDir ?? "", REFUNDS_WORK);
    if (mood === "refuses-refunds") await rm(file, { force: true });
    else await writeFile(file, "");
  }

  workers = async () => (await this.#parts?.observer.workers()) ?? [];

  /** Audits now. */
  async audit(): Promise<MoneyReport> {
    if (this.#parts === undefined) throw new Error("the system is still starting");
    const { databaseUrls, bookDir } = this.#parts.stack;
    const options = { openForMs: OVERDUE_MS, signal: this.#over.signal };
    const { money, broken, overdue, parked, orders } = await auditMoney(
      { databaseUrls, bookDir },
      options,
    );
    const currencies = money.map(({ currencyCode, ...amounts }) => ({
      currencyCode,
      captured: String(amounts.captured),
      refunded: String(amounts.refunded),
      confirmed: String(amounts.confirmed),
      difference: String(amounts.difference),
    }));
    return { readMs: Date.now(), currencies, broken, overdue, parked, orders };
  }

  report(): LabReport | undefined {
    if (this.#parts === undefined) return undefined;
    const { buyer, processes, faults } = this.#parts;
    return {
      nowMs: Date.now(),
      ordering: buyer.ordering,
      provider: this.#mood,
      lanes: processes.lanes(),
      orders: this.#orders,
      counts: this.#counts(),
      money: this.#money,
      faults: faults.reports(),
    };
  }

  #counts(): Counts {
    const open = this.#placed - this.#ended - this.#lost;
    return { placed: this.#placed, ended: this.#ended, open, lost: this.#lost };
  }

  #accept(id: string): void {
    if (this.#accepted.has(id)) return;
    this.#placed += 1;
    this.#accepted.set(id, { ended: false, missed: 0 });
  }

  /** On its own: a database that is down must not hide what a process does. */
  async #watchProcesses({ processes }: Parts): Promise<void> {
    while (!this.#over.signal.aborted) {
      processes.look(Date.now());
      const report = this.report();
      if (report !== undefined) for (const listener of this.#listeners) listener(report);
      await pause(LOOK_MS, this.#over.signal);
    }
  }

  /** Reads the databases while someone watches or orders. */
  async #look(parts: Parts): Promise<void> {
    let auditedMs = 0;
    while (!this.#over.signal.aborted) {
      if (this.#listeners.size > 0 || parts.buyer.ordering)
        try {
          this.#orders = await parts.observer.orders();
          await this.#countEnded(parts.observer);
          if (Date.now() - auditedMs > AUDIT_MS) {
            this.#money = await this.audit();
            auditedMs = Date.now();
          }
          await parts.faults.follow(this.#money && this.#money.broken.length === 0);
        } catch {
          // A database is down: that is what the lab is for.
        }
      await pause(LOOK_MS, this.#over.signal);
    }
  }

  async #countEnded(observer: Observer): Promise<void> {
    const open = [...this.#accepted].filter(([, { ended }]) => !ended).slice(0, REMEMBERED);
    if (open.length === 0) return;
    const found = await observer.endedOf(open.map(([id]) => id));
    for (const [id, order] of open) {
      const ended = found.get(id);
      if (ended === true) {
        this.#ended += 1;
        this.#accepted.delete(id);
      } else if (ended === undefined) {
        order.missed += 1;
        if (order.missed === LOST_LOOKS) this.#lost += 1;
      } else order.missed = 0;
    }
  }
}

interface Parts {
  readonly stack: Stack;
  readonly observer: Observer;
  readonly processes: Processes;
  readonly buyer: Buyer;
  readonly faults: Faults;
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
