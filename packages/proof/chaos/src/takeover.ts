import { setTimeout as sleep } from "node:timers/promises";
import { countByStatus, watchUnpaidOrders } from "@tercet/audit";
import { type Distribution, distribution, silentListener } from "@tercet/cli";
import { connectPostgres, type Sql } from "@tercet/service";
import { FaultLog } from "./fault-log.ts";
import { Fleet } from "./fleet.ts";
import { pick, seededRandom } from "./random.ts";
import { Shopper } from "./shopper.ts";
import { auditAtRest, type RunOptions, startSystem } from "./system.ts";
import { delaysOfHeldSagas } from "./takeover-delays.ts";
import { FENCED_WRITE, isTakeOver, staleWrites } from "./timelines.ts";

export interface TakeoverOptions extends RunOptions {
  readonly replicas: number;
  readonly orders: number;
  /** How long replicas are killed and frozen and orders are placed. */
  readonly seconds: number;
  readonly leaseMs: number;
  /** Chooses what is killed and what is ordered, but not when things happen. */
  readonly seed: number;
}

export interface TakeoverResult {
  readonly kills: number;
  readonly freezes: number;
  /** Of sagas whose owner was killed or frozen, and of those whose owner only seemed gone. */
  readonly takeovers: number;
  /** Milliseconds from the moment the owner was killed or frozen. */
  readonly delaysMs: Distribution;
  /** Refused writes of workers whose saga had been taken over. */
  readonly fencedWrites: number;
  readonly ordersByStatus: Readonly<Record<string, number>>;
  /** The number of sagas that each replica finished, including those that were killed. */
  readonly finishedByReplica: Distribution;
  /** Each begins with the name of its invariant. */
  readonly violations: readonly string[];
}

const EVERY_MS = 2_000;
/** Until well after its sagas have been taken over. */
const frozenMs = (leaseMs: number): number => leaseMs * 1.5 + 1_000;
/** The database accepts 200 connections. */
const CONNECTIONS = 140;
const DRAIN_MS = 60_000;
const SKU = "TAKEOVER";
/** The share of the orders that can be allocated; the others are refunded. */
const IN_STOCK = 0.75;
/** Most are slow, so that there are sagas to take over. */
const TOKENS = [
  "tok_slow",
  "tok_slow",
  "tok_slow",
  "tok_visa",
  "tok_flaky",
  "tok_timeout_then_success",
  "tok_declined",
];
const CALL_TIMEOUT_MS = 4_000;

/**
 * Runs replicas of Order on one database and places orders; every two seconds kills one replica and
 * freezes another for longer than its lease. Throws StackError when a process cannot be started.
 */
export async function runTakeover(options: TakeoverOptions): Promise<TakeoverResult> {
  const { dataDir, replicas, orders, seconds, leaseMs, seed, signal, onProgress } = options;
  const random = seededRandom(seed);
  const log = new FaultLog();
  const stock = BigInt(Math.ceil(orders * IN_STOCK));
  const durationMs = seconds * 1_000;
  let [placed, fencedWrites] = [0, 0];
  const counts = () => ({ kills: log.count("killed"), freezes: log.count("frozen") });
  const report = (phase: "starting" | "killing" | "draining") => {
    const { kills, freezes } = counts();
    onProgress(
      `${phase}: ${placed} orders, ${kills} kills, ${freezes} freezes, ${fencedWrites} fenced writes`,
      phase,
    );
  };
  const notice = (_sentence: string, event?: string) => {
    if (event === FENCED_WRITE) fencedWrites++;
  };

  report("starting");
  await using resources = new AsyncDisposableStack();
  const stack = resources.use(
    await startSystem({
      dataDir,
      stock: { [SKU]: stock },
      replaced: ["order"],
      listener: { ...silentListener, notice },
      signal,
    }),
  );
  const { order: databaseUrl } = stack.databaseUrls;
  const sql = connectPostgres(databaseUrl, { max: 2, applicationName: "tercet-chaos" });
  resources.defer(() => sql.end({ timeout: 1 }));
  const env = {
    SAGA_LEASE_MS: String(leaseMs),
    DATABASE_POOL_SIZE: String(Math.max(3, Math.floor(CONNECTIONS / replicas))),
  };
  const fleet = resources.use(
    await Fleet.start({ stack, sizes: { order: replicas }, env, random, log, sql }),
  );
  const over = new AbortController();
  resources.defer(() => over.abort());
  const watching = watchUnpaidOrders(stack, over.signal, { everyMs: 1_000 });
  // A rejection is seen by the `await` below, unless something fails before.
  watching.catch(() => {});

  // A random of its own: the timing of responses must not change which replica is killed.
  const shopping = seededRandom(seed + 1);
  const shopper = new Shopper({
    stack,
    orderUrl: () => pick(fleet.urls("order"), shopping),
    onAcknowledged: () => void placed++,
  });
  const purchases = Array.from({ length: orders }, () => ({
    sku: SKU,
    token: pick(TOKENS, shopping),
  }));
  const placeAll = async () => {
    const how = {
      timeoutMs: CALL_TIMEOUT_MS,
      signal: AbortSignal.any([over.signal, signal]),
    };
    const placing: Promise<unknown>[] = [];
    for (const purchase of purchases) {
      placing.push(shopper.place(purchase, how));
      await sleep(durationMs / orders, undefined, { signal });
    }
    await Promise.all(placing);
  };
  const killAndFreeze = async () => {
    const end = performance.now() + durationMs;
    while (performance.now() + EVERY_MS < end) {
      await sleep(EVERY_MS, undefined, { signal });
      await fleet.kill("order");
      await fleet.freeze(frozenMs(leaseMs));
      report("killing");
    }
    await fleet.complete();
  };
  await Promise.all([placeAll(), killAndFreeze()]);
  report("draining");
  const { snapshot, breaches } = await auditAtRest(stack, shopper.acknowledged, DRAIN_MS, signal);
  signal.throwIfAborted();
  over.abort();
  const { unpaid } = await watching;
  const { sagas } = snapshot;
  const finished = Map.groupBy(sagas, ({ events }) => events.at(-1)?.worker);
  return {
    ...counts(),
    takeovers: sagas.flatMap(({ events }) => events.filter(isTakeOver)).length,
    delaysMs: distribution(delaysOfHeldSagas(log.faults, sagas)),
    fencedWrites,
    ordersByStatus: countByStatus(snapshot),
    finishedByReplica: distribution(
      fleet.workers.map((worker) => finished.get(worker)?.length ?? 0),
    ),
    violations: [
      ...breaches,
      ...sagas.flatMap(staleWrites),
      ...shopper.log.breaches,
      ...unpaid.map((id) => `I12: order ${id} was CONFIRMED and not paid for`),
      ...(await wrongStock(sql, stock)),
    ],
  };
}

/** The stock is what it was, less one for each confirmed order. */
async function wrongStock(sql: Sql, initial: bigint): Promise<string[]> {
  const [row] = await sql<{ stock: bigint; sold: bigint }[]>`
    select stock, (select count(*) from orders where status = 'CONFIRMED') as sold
    from products where sku = ${SKU}`;
  if (row === undefined || row.stock + row.sold !== initial)
    return [`stock: of ${initial}, ${row?.sold} are sold and ${row?.stock} are left`];
  return [];
}
