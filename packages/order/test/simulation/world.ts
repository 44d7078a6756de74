import { paymentIdOf } from "../../src/order.ts";
import { Book } from "./book.ts";
import type { DatabaseFaults } from "./connection.ts";
import type { Defect } from "./defects.ts";
import { Invariants, isClosed } from "./invariants.ts";
import { Journal } from "./journal.ts";
import { MemoryDatabase } from "./memory-database.ts";
import { Network } from "./network.ts";
import { PaymentModel } from "./payment.ts";
import { type Profile, randomProfile } from "./profile.ts";
import { Random } from "./random.ts";
import { Violation } from "./violation.ts";
import { VirtualTime } from "./virtual-time.ts";
import { OrderWorker } from "./worker.ts";

/** A world that is not at rest by this virtual time, or after this many events, never will be. */
const QUIET_BY_MS = 2 * 3_600_000;
const MAX_EVENTS = 20_000;
const OPERATOR_MS = 5_000;

/**
 * Several workers on one database, Payment behind a bad network, customers, and faults. All of it
 * follows from the seed.
 */
export class World {
  readonly random: Random;
  readonly profile: Profile;
  readonly time: VirtualTime;
  readonly journal: Journal;
  readonly book: Book;
  readonly database: MemoryDatabase;
  readonly payment: PaymentModel;
  readonly network: Network;
  readonly faults: DatabaseFaults = { downUntil: 0 };
  readonly defect: Defect | undefined;
  readonly registered = new Set<string>();
  /** Workers that have not crashed or stopped. */
  readonly workers = new Set<OrderWorker>();
  /** Orders whose customers still wait for an answer. */
  readonly waiting = new Set<string>();
  readonly acknowledged = new Set<string>();
  readonly #invariants: Invariants;
  #workersStarted = 0;
  #cancellations = 0;
  #ending = false;

  constructor(seed: number, defect: Defect | undefined) {
    this.random = new Random(seed);
    this.profile = randomProfile(this.random);
    this.time = new VirtualTime(this.random);
    this.journal = new Journal(this.time);
    this.book = new Book(this.journal);
    this.defect = defect;
    this.database = new MemoryDatabase(this.profile.stock, this.time, this.journal, defect);
    this.payment = new PaymentModel(this);
    this.network = new Network(this.time, this.random, this.profile, this.journal);
    this.#invariants = new Invariants(this.database, this.book, this.journal);
  }

  /** By default as an instance of its own. */
  startWorker(instance?: string): void {
    if (this.#ending) return;
    const name = `w${++this.#workersStarted}`;
    const worker = new OrderWorker(name, instance ?? name, this);
    if ([...this.workers].some((other) => other.instance === worker.instance))
      this.journal.saw("two living workers with one instance");
    this.journal.note(`${name} starts as ${worker.instance}`);
    this.workers.add(worker);
    void worker.start();
  }

  /** Returns the id of the next saga that cancels an order. */
  nextCancellation(): string {
    return `00000000-0000-4000-9000-${String(++this.#cancellations).padStart(12, "0")}`;
  }

  anyWorker(): OrderWorker | undefined {
    return this.random.pick([...this.workers]);
  }

  /** Runs until every order is closed, and then until the last late message has arrived. */
  async run(): Promise<void> {
    await this.#operate();
    // A late statement may have stored an order after all workers had stopped: start another.
    if (this.#open().length > 0) {
      this.startWorker();
      await this.#operate();
    }
    this.#invariants.checkEnd();
    for (const id of this.acknowledged)
      if (!this.database.orders.has(id))
        throw new Violation("I4", `${id} was acknowledged and does not exist`);
  }

  async #operate(): Promise<void> {
    await this.#until(() => this.#settled());
    await this.#repair();
    this.#ending = true;
    const stopped = Promise.all([...this.workers].map((worker) => worker.stop()));
    this.workers.clear();
    await this.#until(() => false);
    this.#ending = false;
    // Nothing is left to happen: what has not stopped by now never will.
    await Promise.race([stopped, Promise.reject(new Violation("I9", "a worker does not stop"))]);
  }

  /** Runs until then, or until nothing is left to happen. */
  async #until(reached: () => boolean): Promise<void> {
    while (!reached() && (await this.time.step())) {
      this.#invariants.check();
      if (this.time.now > QUIET_BY_MS || this.time.events > MAX_EVENTS)
        throw new Violation("I3", `not at rest: ${this.#open().join(", ")}`);
    }
  }

  #settled(): boolean {
    if (this.waiting.size > 0) return false;
    for (const { id, status } of this.database.orders.values())
      if (!isClosed(status) && !this.#isParkedForGood(id, status)) return false;
    return true;
  }

  /** Only a saga whose refund fails for good may wait for an operator. */
  #isParkedForGood(id: string, status: string): boolean {
    if (status !== "NEEDS_ATTENTION") return false;
    if (!this.payment.refundsFail.has(paymentIdOf(id)))
      throw new Violation("I3", `${id} is parked without a reason`);
    return true;
  }

  /**
   * An operator repairs what failed for good, and retries the parked sagas; some are resolved
   * instead.
   */
  async #repair(): Promise<void> {
    const parked = [...this.database.orders.values()].filter(
      ({ status }) => status === "NEEDS_ATTENTION",
    );
    this.payment.refundsFail.clear();
    for (const { id } of parked) this.#operateOn(id, this.random.chance(0.3) ? "resolve" : "retry");
    await this.#until(() => this.#settled());
  }

  #operateOn(id: string, action: "retry" | "resolve"): void {
    if (this.database.orders.get(id)?.status !== "NEEDS_ATTENTION") return;
    this.waiting.add(id);
    const worker = this.anyWorker();
    worker?.process.deliver(0, async () => {
      await worker[action](id);
      this.waiting.delete(id);
    });
    this.time.after(OPERATOR_MS, () => this.#operateOn(id, action));
  }

  #open(): readonly string[] {
    const open = [...this.database.orders.values()].filter(({ status }) => !isClosed(status));
    return open.map(({ id, status }) => `${id} ${status}`);
  }
}
