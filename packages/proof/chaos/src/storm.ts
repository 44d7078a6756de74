import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  auditMoney,
  countByStatus,
  findViolations,
  isUnavailable,
  readSnapshot,
  untilSettled,
  watchUnpaidOrders,
} from "@tercet/audit";
import { clock, distribution, silentListener } from "@tercet/cli";
import { connectPostgres } from "@tercet/service";
import type { Stack } from "@tercet/stack";
import { CallLog } from "./call-log.ts";
import { FaultLog, type FaultRecord } from "./fault-log.ts";
import { injectFaults } from "./faults.ts";
import { Fleet } from "./fleet.ts";
import { MongoSet } from "./mongo-set.ts";
import { type Random, seededRandom, weighted } from "./random.ts";
import { Shopper } from "./shopper.ts";
import { type RunOptions, startSystem } from "./system.ts";
import { type TakeOvers, takeOvers } from "./takeover-delays.ts";
import { startTcpProxy } from "./tcp-proxy.ts";
import { FENCED_WRITE, staleWrites } from "./timelines.ts";

export interface StormOptions extends RunOptions {
  /** How long faults are injected. */
  readonly durationMs: number;
  readonly seed: number;
  /** The number of shoppers who place one order after another. */
  readonly buyers: number;
  /** The path of a `mongod`: payments are in a replica set of it then, whose members fail too. */
  readonly mongod?: string | undefined;
  /** How late after its deadline a call may end, in milliseconds; 250 by default. */
  readonly callGraceMs?: number;
}

export interface StormResult {
  readonly seed: number;
  readonly startedAt: number;
  readonly durationMs: number;
  /** The number of orders by final status. */
  readonly orders: Readonly<Record<string, number>>;
  readonly acknowledged: number;
  readonly calls: number;
  readonly slowestCallMs: number;
  readonly failures: ReadonlyMap<string, number>;
  readonly faults: readonly FaultRecord[];
  /** From the end of the last fault until every order had ended; undefined if they did not. */
  readonly settledMs: number | undefined;
  readonly checks: number;
  readonly fencedWrites: number;
  readonly takeOvers: TakeOvers;
  readonly leaseMs: number;
  readonly breaches: readonly string[];
  /** When each order ended, in milliseconds since the epoch. */
  readonly endings: readonly number[];
}

const LEASE_MS = 2_000;
const FREEZE_MS = LEASE_MS + 2_000;
/** I3 */
const SETTLED_WITHIN_MS = 30_000;
const BETWEEN_AUDITS_MS = 10_000;
const BETWEEN_CHECKS_MS = 1_000;
/** Short enough for every timeout to pass within 30 s after the last fault. */
const ENV = {
  LOG_LEVEL: "warn",
  SAGA_LEASE_MS: String(LEASE_MS),
  SAGA_DEADLINE_MS: "10000",
  PROVIDER_TIMEOUT_MS: "2500",
  RECONCILE_AFTER_MS: "3000",
  RECONCILE_INTERVAL_MS: "500",
  RECONCILE_ABANDONED_EVERY_MS: "2000",
};
const IN_STOCK = "CHAOS-IN-STOCK";
const SOLD_OUT = "CHAOS-SOLD-OUT";
const STOCK = { [IN_STOCK]: 1_000_000_000n, [SOLD_OUT]: 0n };
/**
 * Payment tokens and their shares. The provider never responds to `tok_timeout`, and to `tok_slow`
 * after 2 s.
 */
const TOKENS = [
  ["tok_visa", 80],
  ["tok_declined", 5],
  ["tok_insufficient_funds", 3],
  ["tok_flaky", 5],
  ["tok_timeout_then_success", 4],
  ["tok_slow", 2],
  ["tok_timeout", 1],
] as const;
const SOLD_OUT_SHARE = 0.05;
const CANCELLED_SHARE = 0.08;
const CALL_TIMEOUT_MS = 5_000;
const CALL_GRACE_MS = 250;
/** Orders that were begun when the storm ended are repeated for this long. */
const LAST_CALLS_MS = 30_000;

/**
 * Places orders while processes are killed, the database is restarted and the network breaks; then
 * audits everything. Throws StackError when a process cannot be started.
 */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const { dataDir, durationMs, seed, buyers, mongod, signal, onProgress } = options;
  const { callGraceMs: graceMs = CALL_GRACE_MS } = options;
  const [random, startedAt] = [seededRandom(seed), Date.now()];
  const [log, calls] = [new FaultLog(), new CallLog({ graceMs })];
  const breaches = new Set<string>();
  let phase: "starting" | "storm" | "calm" | "audit" = "starting";
  let [began, acknowledged, checks, fencedWrites] = [performance.now(), 0, 0, 0];
  const report = () => {
    const [kills, restarts] = [log.count("killed"), log.count("PostgreSQL down")];
    const elapsedMs = phase === "starting" ? 0 : performance.now() - began;
    const perSecond = elapsedMs > 0 ? (acknowledged / elapsedMs) * 1_000 : 0;
    const line = [
      `${clock(elapsedMs)} ${phase.padEnd(8)} ${acknowledged} orders (${perSecond.toFixed(1)}/s)`,
      `${kills} kills, ${restarts} database restarts`,
      `${log.faults.length - kills - restarts} other faults`,
      `${checks} checks, ${breaches.size + calls.breaches.length} breaches`,
    ];
    onProgress(line.join(", "), phase);
  };
  const breach = (sentence: string) => {
    breaches.add(sentence);
    report();
  };
  const enter = (next: typeof phase) => {
    phase = next;
    report();
  };
  const notice = (sentence: string, event?: string) => {
    if (event === FENCED_WRITE) fencedWrites++;
    if (/ (error|fatal): /.test(sentence)) breach(`I9: ${sentence}`);
  };

  await using proxies = new AsyncDisposableStack();
  const [order, payment] = [proxies.use(await startTcpProxy()), proxies.use(await startTcpProxy())];
  await using mongo =
    mongod === undefined
      ? undefined
      : await MongoSet.start({ folder: join(dataDir, "mongodb"), program: mongod });
  await using stack = await startSystem({
    dataDir,
    env: { ...ENV, ...(mongo && { PAYMENT_DATABASE_URL: mongo.url("payments") }) },
    paymentUrl: payment.url,
    stock: STOCK,
    replaced: ["order", "payment"],
    listener: { ...silentListener, notice },
    signal,
  });
  await using fleet = await Fleet.start({
    stack,
    sizes: { order: 2, payment: 2 },
    random,
    log,
    route: (service, urls) => (service === "order" ? order : payment).to(...urls),
    onUnexpectedExit: (service, exit) =>
      breach(`I9: a process of ${service} ended by itself (${exit})`),
  });
  const shopper = new Shopper({
    stack,
    orderUrl: () => order.url,
    log: calls,
    onAcknowledged: () => {
      acknowledged++;
      report();
    },
  });

  const watching = new AbortController();
  const watches = watchInvariants(stack, watching.signal, breach, () => void checks++);
  const over = AbortSignal.any([AbortSignal.timeout(durationMs), signal]);
  began = performance.now();
  enter("storm");
  const faultOptions = { stack, fleet, network: payment, mongo, log, random, freezeMs: FREEZE_MS };
  await Promise.all([
    injectFaults({ ...faultOptions, signal: over }).then(() => enter("calm")),
    shopUntil(over, shopper, buyers, random),
  ]);
  const leftMs = log.lastEnd + SETTLED_WITHIN_MS - Date.now();
  const open = await untilSettled(stack, leftMs, signal);
  const sinceMs = Date.now() - log.lastEnd;
  for (const sentence of open)
    breach(`${sentence} ${Math.round(sinceMs / 1_000)} s after the last fault`);
  watching.abort();
  await watches;
  enter("audit");

  const snapshot = await readSnapshot(stack);
  checks++;
  // No process is stopped by SIGTERM in a storm.
  const stale = snapshot.sagas.flatMap(staleWrites);
  [...findViolations(snapshot, shopper.acknowledged), ...stale, ...calls.breaches].forEach(breach);
  return {
    seed,
    startedAt,
    durationMs,
    orders: countByStatus(snapshot),
    acknowledged,
    calls: calls.tookMs.length,
    slowestCallMs: distribution(calls.tookMs).max,
    failures: calls.failures,
    faults: log.faults,
    settledMs: open.length === 0 ? sinceMs : undefined,
    checks,
    fencedWrites,
    takeOvers: takeOvers(
      snapshot.sagas.map(({ events }) => events),
      log.faults,
      LEASE_MS + 1_000,
    ),
    leaseMs: LEASE_MS,
    breaches: [...breaches],
    endings: snapshot.orders.map(({ updateTime }) => updateTime.getTime()),
  };
}

/** Places orders, and cancels some, until the signal aborts and each order is acknowledged. */
async function shopUntil(
  over: AbortSignal,
  shopper: Shopper,
  buyers: number,
  random: Random,
): Promise<void> {
  const abandon = new AbortController();
  over.addEventListener(
    "abort",
    () => void sleep(LAST_CALLS_MS, undefined, { ref: false }).then(() => abandon.abort()),
    { once: true },
  );
  const how = { timeoutMs: CALL_TIMEOUT_MS, signal: abandon.signal };
  const buy = async () => {
    const sku = random() < SOLD_OUT_SHARE ? SOLD_OUT : IN_STOCK;
    const order = await shopper.place({ sku, token: weighted(TOKENS, random) }, how);
    if (order !== undefined && random() < CANCELLED_SHARE) await shopper.cancel(order.id, how);
  };
  const buyUntilOver = async () => {
    while (!over.aborted) await buy();
  };
  await Promise.all(Array.from({ length: buyers }, buyUntilOver));
}

/** Checks what must hold at any time, until the signal aborts. */
async function watchInvariants(
  stack: Stack,
  signal: AbortSignal,
  breach: (sentence: string) => void,
  onCheck: () => void,
): Promise<void> {
  await Promise.all([
    watchUnpaidOrders(stack, signal, {
      everyMs: BETWEEN_CHECKS_MS,
      onLook: ({ unpaid }) => {
        onCheck();
        for (const id of unpaid) breach(`I12: order ${id} was CONFIRMED and not paid for`);
      },
    }),
    repeat(BETWEEN_AUDITS_MS, signal, async () => {
      const { broken } = await auditMoney(stack, { openForMs: Number.POSITIVE_INFINITY });
      onCheck();
      broken.forEach(breach);
    }),
    watchSessions(stack, signal, breach),
  ]);
}

/** I9: no process leaves a transaction open. */
async function watchSessions(
  { databaseUrls }: Stack,
  signal: AbortSignal,
  breach: (sentence: string) => void,
): Promise<void> {
  const sql = connectPostgres(databaseUrls.order, { max: 1, applicationName: "tercet-chaos" });
  await repeat(BETWEEN_CHECKS_MS, signal, async () => {
    const idle = await sql<{ applicationName: string }[]>`
      select application_name from pg_stat_activity
      where state like 'idle in transaction%' and state_change < now() - interval '5 seconds'`;
    for (const { applicationName } of idle)
      breach(`I9: a session of ${applicationName} was idle in a transaction for more than 5 s`);
  });
  await sql.end({ timeout: 1 });
}

/** Repeats a check until the signal aborts, and skips those during which the database is down. */
async function repeat(
  everyMs: number,
  signal: AbortSignal,
  check: () => Promise<void>,
): Promise<void> {
  for (;;) {
    await sleep(everyMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    await check().catch((error: unknown) => {
      if (!isUnavailable(error)) throw error;
    });
  }
}
