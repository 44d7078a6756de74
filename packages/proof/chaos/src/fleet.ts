import { setTimeout as sleep } from "node:timers/promises";
import { eventsOf, type StoredEvents } from "@tercet/saga";
import type { Env, Sql } from "@tercet/service";
import type { ServiceName, ServiceProcess, Stack } from "@tercet/stack";
import { FaultLog, type FaultRecord, workerOf } from "./fault-log.ts";
import { pick, type Random } from "./random.ts";

export interface FleetOptions {
  readonly stack: Pick<Stack, "startReplica">;
  /** The number of processes of each service. */
  readonly sizes: Readonly<Partial<Record<ServiceName, number>>>;
  readonly env?: Env;
  /** Chooses what is killed or frozen. */
  readonly random?: Random;
  readonly log?: FaultLog;
  /** Of the orders database: records the sagas that a worker held. */
  readonly sql?: Sql;
  /** Is called with the addresses of a service whenever they have changed. */
  readonly route?: (service: ServiceName, urls: readonly string[]) => void | Promise<void>;
  /** Is called when a process ends that was not killed, unless with exit code 0. */
  readonly onUnexpectedExit?: (service: ServiceName, exit: string) => void;
}

interface Member {
  readonly service: ServiceName;
  readonly process: ServiceProcess;
  frozen: boolean;
}

/** A higher number makes the starts slow each other down. */
const STARTING_AT_ONCE = 4;
/** One in this many processes of a service may be missing, and one in this many frozen. */
const SPARED = 4;
const RETRY_START_MS = 200;
/** A service cannot start while its database is down. */
const RESTART_WITHIN_MS = 60_000;

/** Replicas of services that can be killed, frozen and replaced. */
export class Fleet implements AsyncDisposable {
  readonly log: FaultLog;
  /** The names of all workers so far. */
  readonly workers: string[] = [];
  readonly #options: FleetOptions;
  readonly #members = new Set<Member>();
  readonly #pending = new Set<Promise<void>>();
  readonly #over = new AbortController();

  private constructor(options: FleetOptions) {
    this.#options = options;
    this.log = options.log ?? new FaultLog();
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options);
    const missing = Object.entries(options.sizes).flatMap(([service, size]) =>
      Array.from({ length: size }, () => service as ServiceName),
    );
    while (missing.length > 0)
      await Promise.all(missing.splice(0, STARTING_AT_ONCE).map((service) => fleet.#add(service)));
    return fleet;
  }

  /** Returns the addresses of a service; a frozen process accepts calls and does not respond. */
  urls(service: ServiceName): readonly string[] {
    return this.#of(service).map(({ process }) => process.url);
  }

  /**
   * Kills the process at the URL, by default a random one, unless too many are missing already.
   * Resolves when it has ended; its replacement is started in the background.
   */
  async kill(service: ServiceName, url?: string): Promise<void> {
    const size = this.#options.sizes[service] ?? 0;
    const victim = this.#victim(service, url);
    if (victim === undefined || this.#of(service).length <= size - Math.ceil(size / SPARED)) return;
    this.#members.delete(victim);
    const fault = this.log.start(`${service} killed`, workerOf(victim.process.pid));
    victim.process.kill("SIGKILL");
    await victim.process.exited;
    await this.#recordHeld(fault);
    this.#inBackground(this.#add(service, RESTART_WITHIN_MS), fault);
  }

  /**
   * Freezes the process of Order at the URL, by default a random one, for `ms`, unless too many are
   * frozen already. Resolves when it is frozen; it is resumed in the background.
   */
  async freeze(ms: number, url?: string): Promise<void> {
    const size = this.#options.sizes.order ?? 0;
    const victim = this.#victim("order", url);
    const members = this.#of("order");
    const frozen = members.filter((member) => member.frozen).length;
    if (victim === undefined || frozen >= size / SPARED || members.length - frozen < 2) return;
    victim.frozen = true;
    const fault = this.log.start("order frozen", workerOf(victim.process.pid));
    victim.process.kill("SIGSTOP");
    this.#inBackground(this.#resume(victim, ms), fault);
    await this.#recordHeld(fault);
  }

  /** Starts a process, then drains the oldest. Resolves to the milliseconds that the drain took. */
  async replaceOldest(service: ServiceName, graceMs: number): Promise<number> {
    await this.#add(service);
    const [oldest] = this.#of(service);
    const start = performance.now();
    await oldest?.process.stop(graceMs);
    const tookMs = performance.now() - start;
    if (oldest !== undefined) this.#members.delete(oldest);
    await this.#route(service);
    return tookMs;
  }

  /**
   * Resolves when every killed process is replaced and every frozen one resumed. Throws StackError
   * if one could not be started.
   */
  async complete(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await Promise.allSettled(this.#pending);
  }

  #of(service: ServiceName): Member[] {
    return [...this.#members].filter((member) => member.service === service);
  }

  #victim(service: ServiceName, url: string | undefined): Member | undefined {
    const candidates = this.#of(service).filter(
      ({ process, frozen }) => !frozen && (url === undefined || process.url === url),
    );
    const { random = Math.random } = this.#options;
    return candidates.length === 0 ? undefined : pick(candidates, random);
  }

  async #add(service: ServiceName, retryForMs = 0): Promise<void> {
    const process = await this.#start(service, performance.now() + retryForMs);
    const member = { service, process, frozen: false };
    this.workers.push(workerOf(process.pid));
    this.#members.add(member);
    void process.exited.then((exit) => {
      if (!this.#members.has(member) || this.#over.signal.aborted || exit === "exit code 0") return;
      this.#options.onUnexpectedExit?.(service, exit);
    });
    await this.#route(service);
  }

  async #start(service: ServiceName, deadline: number): Promise<ServiceProcess> {
    for (;;)
      try {
        return await this.#options.stack.startReplica(service, this.#options.env);
      } catch (error) {
        if (performance.now() >= deadline) throw error;
        await sleep(RETRY_START_MS, undefined, { signal: this.#over.signal });
      }
  }

  async #route(service: ServiceName): Promise<void> {
    await this.#options.route?.(service, this.urls(service));
  }

  async #resume(victim: Member, ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#over.signal }).catch(() => {});
    victim.process.kill("SIGCONT");
    victim.frozen = false;
  }

  async #recordHeld(fault: FaultRecord): Promise<void> {
    const { sql } = this.#options;
    if (sql === undefined || fault.worker === undefined) return;
    const held = await sql<({ readonly id: string } & StoredEvents)[]>`
      select s.id, s.events, s.history
      from sagas s join workers w on w.id = s.owner
      where w.name = ${fault.worker} and s.state in ('RUNNING', 'COMPENSATING')`;
    fault.held = held.map((saga) => ({ id: saga.id, events: eventsOf(saga).length }));
  }

  #inBackground(work: Promise<void>, fault: FaultRecord): void {
    this.#pending.add(work);
    // A rejected promise stays, for `complete` to throw.
    work.then(
      () => {
        fault.to = Date.now();
        this.#pending.delete(work);
      },
      () => {},
    );
  }
}
