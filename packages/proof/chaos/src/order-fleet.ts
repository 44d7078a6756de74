import { setTimeout as sleep } from "node:timers/promises";
import type { Env, Sql } from "@tercet/service";
import type { ServiceProcess, Stack } from "@tercet/stack";
import { workerOf } from "./chronicle.ts";
import { databaseClock } from "./database-clock.ts";
import { pick, type Random } from "./random.ts";

export interface OrderFleetOptions {
  readonly stack: Pick<Stack, "startReplica">;
  /** Of the orders database. */
  readonly sql: Sql;
  readonly size: number;
  readonly env: Env;
  readonly random: Random;
}

/** A worker that stopped working, and what it held then. */
export interface Loss {
  readonly how: "killed" | "frozen";
  readonly worker: string;
  /** By the database's clock, in milliseconds since 1970. */
  readonly at: number;
  readonly sagas: readonly { readonly id: string; readonly events: number }[];
}

/** As many start at once as do not keep each other from it. */
const STARTING_AT_ONCE = 4;
/** Of all that should be there: as many may be frozen, and as many may be missing. */
const SPARED = 4;

/**
 * Replicas of Order that are killed and frozen at random; for each that is killed another one is
 * started.
 */
export class OrderFleet implements AsyncDisposable {
  readonly losses: Loss[] = [];
  /** The names of all that ever were. */
  readonly workers: string[] = [];
  readonly #options: OrderFleetOptions;
  readonly #now: () => number;
  readonly #running = new Set<ServiceProcess>();
  readonly #frozen = new Set<ServiceProcess>();
  readonly #pending = new Set<Promise<void>>();
  readonly #over = new AbortController();

  private constructor(options: OrderFleetOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  static async start(options: OrderFleetOptions): Promise<OrderFleet> {
    const fleet = new OrderFleet(options, await databaseClock(options.sql));
    for (let missing = options.size; missing > 0; missing -= STARTING_AT_ONCE)
      await Promise.all(
        Array.from({ length: Math.min(missing, STARTING_AT_ONCE) }, () => fleet.#add()),
      );
    return fleet;
  }

  /** Where a client may call; one that is frozen takes calls, and answers none. */
  get urls(): readonly string[] {
    return [...this.#running, ...this.#frozen].map(({ url }) => url);
  }

  /**
   * Kills the one at the URL, by default any, unless too many are missing already. Another one is
   * started meanwhile.
   */
  async kill(url?: string): Promise<void> {
    const { size } = this.#options;
    const victim = this.#victim(url);
    if (
      victim === undefined ||
      this.#running.size + this.#frozen.size <= size - Math.ceil(size / SPARED)
    )
      return;
    this.#running.delete(victim);
    const at = this.#now();
    victim.kill("SIGKILL");
    await victim.exited;
    await this.#lost("killed", victim, at);
    this.#inBackground(this.#add());
  }

  /**
   * Freezes the one at the URL, by default any, for so many milliseconds, unless too many are
   * frozen already. It goes on as if nothing had happened.
   */
  async freeze(ms: number, url?: string): Promise<void> {
    const victim = this.#victim(url);
    if (
      victim === undefined ||
      this.#frozen.size >= this.#options.size / SPARED ||
      this.#running.size < 2
    )
      return;
    this.#running.delete(victim);
    this.#frozen.add(victim);
    const at = this.#now();
    victim.kill("SIGSTOP");
    this.#inBackground(this.#thaw(victim, ms));
    await this.#lost("frozen", victim, at);
  }

  /**
   * Resolves when all that were killed have been replaced, and none is frozen any more; throws if
   * one did not start.
   */
  async complete(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await Promise.allSettled(this.#pending);
  }

  #victim(url: string | undefined): ServiceProcess | undefined {
    const candidates = [...this.#running].filter(
      (replica) => url === undefined || replica.url === url,
    );
    return candidates.length === 0 ? undefined : pick(candidates, this.#options.random);
  }

  async #add(): Promise<void> {
    const replica = await this.#options.stack.startReplica("order", this.#options.env);
    this.workers.push(workerOf(replica.pid));
    this.#running.add(replica);
  }

  async #thaw(victim: ServiceProcess, ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#over.signal }).catch(() => {});
    victim.kill("SIGCONT");
    this.#frozen.delete(victim);
    this.#running.add(victim);
  }

  async #lost(how: Loss["how"], victim: ServiceProcess, at: number): Promise<void> {
    const worker = workerOf(victim.pid);
    const sagas = await this.#options.sql<Loss["sagas"][number][]>`
      select s.id, jsonb_array_length(s.events) as events from sagas s join workers w on w.id = s.owner
      where w.name = ${worker} and s.state in ('RUNNING', 'COMPENSATING')`;
    this.losses.push({ how, worker, at, sagas });
  }

  #inBackground(work: Promise<void>): void {
    this.#pending.add(work);
    // A failure stays among them, for `complete` to throw.
    work.then(
      () => this.#pending.delete(work),
      () => {},
    );
  }
}
