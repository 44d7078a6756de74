import { setTimeout as sleep } from "node:timers/promises";
import {
  auditMoney,
  findViolations,
  readSnapshot,
  unfinished,
  watchUnpaidOrders,
} from "@tercet/audit";
import type { ProgressListener } from "@tercet/cli";
import { connectPostgres, isDatabaseUnavailable } from "@tercet/service";
import type { Stack } from "@tercet/stack";
import { runBuyers } from "./buyers.ts";
import { CallLog } from "./calls.ts";
import { Chronicle, type FaultRecord } from "./chronicle.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { runMisfortunes } from "./misfortunes.ts";
import { seededRandom } from "./random.ts";
import { type TakeOvers, takeOvers } from "./takeover-delays.ts";
import { staleWrites } from "./timelines.ts";

export interface StormOptions {
  readonly dataDir: string;
  /** How long faults go on. */
  readonly durationMs: number;
  readonly seed: number;
  readonly buyers: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: StormProgress) => void;
}

export type StormPhase = "starting" | "storm" | "calm" | "audit";

export interface StormProgress {
  readonly phase: StormPhase;
  /** Of the storm. */
  readonly elapsedMs: number;
  readonly acknowledged: number;
  readonly kills: number;
  readonly restarts: number;
  readonly otherFaults: number;
  /** How often the invariants were looked at. */
  readonly checks: number;
  readonly breaches: number;
}

export interface StormResult {
  readonly seed: number;
  readonly startedAt: number;
  readonly durationMs: number;
  /** By status, as they ended. */
  readonly orders: Readonly<Record<string, number>>;
  readonly acknowledged: number;
  readonly calls: number;
  readonly slowestCallMs: number;
  readonly failures: ReadonlyMap<string, number>;
  readonly faults: readonly FaultRecord[];
  /** From the end of the last fault until every order had ended. */
  readonly settledMs: number | undefined;
  readonly checks: number;
  readonly fencedWrites: number;
  readonly takeOvers: TakeOvers;
  readonly leaseMs: number;
  readonly breaches: readonly string[];
  /** When orders ended, in milliseconds since the epoch. */
  readonly endings: readonly number[];
}

const LEASE_MS = 2_000;
const FREEZE_MS = LEASE_MS + 2_000;
/** I3 */
const SETTLED_WITHIN_MS = 30_000;
const BETWEEN_AUDITS_MS = 10_000;
const BETWEEN_LOOKS_MS = 1_000;
/** Short, so that whatever waits for a time to pass has ended 30 s after the last fault. */
const ENV = {
  LOG_LEVEL: "warn",
  SAGA_LEASE_MS: String(LEASE_MS),
  SAGA_DEADLINE_MS: "10000",
  PROVIDER_TIMEOUT_MS: "2500",
  RECONCILE_AFTER_MS: "3000",
  RECONCILE_INTERVAL_MS: "500",
  RECONCILE_ABANDONED_EVERY_MS: "2000",
};
const FENCED = "saga_write_refused";

/**
 * Orders are placed while processes are killed, the database is restarted and the network breaks;
 * then snapshot is audited.
 */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const { durationMs, seed, buyers, signal } = options;
  const storm = new Storm(options);
  await using fleet = await startFleet({
    dataDir: options.dataDir,
    env: ENV,
    listener: storm.listener,
    signal,
    onUnexpectedEnd: (service, how) =>
      storm.breach(`I9: a process of ${service} ended by itself (${how})`),
  });
  const random = seededRandom(seed);
  const watching = new AbortController();
  const watches = storm.watch(fleet.stack, watching.signal);
  const over = AbortSignal.any([AbortSignal.timeout(durationMs), signal]);
  storm.enter("storm");
  await Promise.all([
    runMisfortunes({
      fleet,
      chronicle: storm.chronicle,
      random,
      freezeMs: FREEZE_MS,
      signal: over,
    }).then(() => storm.enter("calm")),
    runBuyers({
      stack: fleet.stack,
      orderUrl: fleet.order.url,
      buyers,
      random,
      log: storm.log,
      signal: over,
      onAcknowledged: storm.acknowledge,
    }),
  ]);
  const settledMs = await storm.settle(fleet);
  watching.abort();
  await watches;
  storm.enter("audit");
  return await storm.result(fleet, settledMs);
}

class Storm {
  readonly chronicle = new Chronicle();
  readonly log = new CallLog();
  readonly #options: StormOptions;
  readonly #acknowledged = new Map<string, string>();
  readonly #breaches = new Set<string>();
  readonly #startedAt = Date.now();
  #stormBegan = performance.now();
  #phase: StormPhase = "starting";
  #checks = 0;
  #fenced = 0;

  constructor(options: StormOptions) {
    this.#options = options;
  }

  /** Hears the warnings of all processes. */
  readonly listener: ProgressListener = {
    progress: (_what, work) => work(),
    notice: (sentence, event) => {
      if (event === FENCED) this.#fenced++;
      if (/ (error|fatal): /.test(sentence)) this.breach(`I9: ${sentence}`);
    },
  };

  readonly acknowledge = (requestId: string, orderId: string): void => {
    this.#acknowledged.set(requestId, orderId);
    this.#tell();
  };

  breach(sentence: string): void {
    this.#breaches.add(sentence);
    this.#tell();
  }

  enter(phase: StormPhase): void {
    if (phase === "storm") this.#stormBegan = performance.now();
    this.#phase = phase;
    this.#tell();
  }

  /** What must hold at any time, looked at while snapshot breaks. */
  async watch(stack: Stack, signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#watchMoney(stack, signal),
      this.#watchInvariants(stack, signal),
      this.#watchSessions(stack, signal),
    ]);
  }

  async #watchMoney(stack: Stack, signal: AbortSignal): Promise<void> {
    await watchUnpaidOrders(stack, signal, {
      everyMs: BETWEEN_LOOKS_MS,
      onLook: ({ unpaid }) => {
        this.#checks++;
        for (const id of unpaid) this.breach(`I12: order ${id} was CONFIRMED and not paid for`);
      },
    });
  }

  async #watchInvariants(stack: Stack, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(BETWEEN_AUDITS_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        const { broken } = await auditMoney(stack, { openForMs: Number.POSITIVE_INFINITY });
        this.#checks++;
        for (const violation of broken) this.breach(violation);
      } catch (error) {
        if (!isDatabaseUnavailable(error)) throw error;
      }
    }
  }

  /** I9: nobody leaves a transaction open. */
  async #watchSessions({ databaseUrls }: Stack, signal: AbortSignal): Promise<void> {
    const sql = connectPostgres(databaseUrls.order, { max: 1, applicationName: "tercet-chaos" });
    while (!signal.aborted) {
      const idle = await sql`
        select application_name from pg_stat_activity
        where state like 'idle in transaction%' and state_change < now() - interval '5 seconds'`.catch(
        () => [],
      );
      for (const row of idle)
        this.breach(
          `I9: a session of ${row["applicationName"]} was idle in a transaction for more than 5 s`,
        );
      await sleep(BETWEEN_LOOKS_MS, undefined, { signal }).catch(() => {});
    }
    await sql.end({ timeout: 1 });
  }

  /** I3: how long after the last fault snapshot had ended; undefined when it had not. */
  async settle({ stack }: Fleet): Promise<number | undefined> {
    const since = this.chronicle.lastEnd;
    for (;;) {
      const open = unfinished(await readSnapshot(stack));
      const tookMs = Date.now() - since;
      if (open.length === 0) return tookMs;
      if (tookMs > SETTLED_WITHIN_MS || this.#options.signal.aborted) {
        for (const sentence of open)
          this.breach(`${sentence} ${Math.round(tookMs / 1000)} s after the last fault`);
        return undefined;
      }
      await sleep(BETWEEN_LOOKS_MS);
    }
  }

  async result({ stack }: Fleet, settledMs: number | undefined): Promise<StormResult> {
    const snapshot = await readSnapshot(stack);
    this.#checks++;
    for (const violation of findViolations(snapshot, this.#acknowledged)) this.breach(violation);
    // Nobody is stopped by SIGTERM in a storm.
    for (const write of snapshot.sagas.flatMap(staleWrites)) this.breach(write);
    for (const breach of this.log.breaches) this.breach(breach);
    const byStatus = Object.entries(Object.groupBy(snapshot.orders, ({ status }) => status));
    const windowMs = LEASE_MS + 1_000;
    return {
      seed: this.#options.seed,
      startedAt: this.#startedAt,
      durationMs: this.#options.durationMs,
      orders: Object.fromEntries(byStatus.map(([status, some]) => [status, some.length])),
      acknowledged: this.#acknowledged.size,
      calls: this.log.calls,
      slowestCallMs: this.log.slowestMs,
      failures: this.log.failures,
      faults: this.chronicle.faults,
      settledMs,
      checks: this.#checks,
      fencedWrites: this.#fenced,
      takeOvers: takeOvers(
        snapshot.sagas.map(({ events }) => events),
        this.chronicle.faults,
        windowMs,
      ),
      leaseMs: LEASE_MS,
      breaches: [...this.#breaches],
      endings: snapshot.orders.map(({ updateTime }) => updateTime.getTime()),
    };
  }

  #tell(): void {
    const { faults } = this.chronicle;
    const kills = this.chronicle.count((kind) => kind.endsWith("killed"));
    const restarts = this.chronicle.count((kind) => kind === "PostgreSQL down");
    this.#options.onProgress({
      phase: this.#phase,
      elapsedMs: this.#phase === "starting" ? 0 : performance.now() - this.#stormBegan,
      acknowledged: this.#acknowledged.size,
      kills,
      restarts,
      otherFaults: faults.length - kills - restarts,
      checks: this.#checks,
      breaches: this.#breaches.size + this.log.breaches.length,
    });
  }
}
