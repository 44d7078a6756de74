import { setTimeout as sleep } from "node:timers/promises";
import { readSnapshot, unfinished, watchUnpaidOrders } from "@tercet/audit";
import { type ProgressListener, silentListener } from "@tercet/cli";
import { connectPostgres, type Sql } from "@tercet/service";
import { ANY_PORT, createApi, envToConfig, type Stack, startStack } from "@tercet/stack";
import { type Loss, OrderFleet } from "./order-fleet.ts";
import { freshSeed, type Random, seededRandom } from "./random.ts";
import { type Shopping, shop } from "./shoppers.ts";
import { assess, type TakeoverResult, wrongStock } from "./takeover-result.ts";

export interface TakeoverOptions {
  /** For the databases, logs and book of a stack of its own. */
  readonly dataDir: string;
  readonly replicas?: number;
  readonly orders?: number;
  /** How long replicas are killed and frozen; the orders come in this time. */
  readonly seconds?: number;
  readonly leaseMs?: number;
  /**
   * Chooses who is killed and what is ordered; when things happen is still up to the machine. A new
   * one by default.
   */
  readonly seed?: number;
  readonly onProgress?: (progress: TakeoverProgress) => void;
  readonly signal?: AbortSignal;
}

export interface TakeoverProgress {
  readonly seed: number;
  readonly doing: "starting" | "killing" | "draining";
  readonly placed: number;
  readonly kills: number;
  readonly freezes: number;
  readonly fencedWrites: number;
}

const DEFAULTS = { replicas: 20, orders: 1_000, seconds: 60, leaseMs: 2_000 };
const EVERY_MS = 2_000;
/** A replica is frozen until its sagas have been taken over, and then some. */
const frozenMs = (leaseMs: number): number => leaseMs * 1.5 + 1_000;
/** The database takes 200 connections. */
const CONNECTIONS = 140;
const DRAIN_MS = 60_000;
const SKU = "TAKEOVER";
/** Of the orders: the rest is refunded for want of stock. */
const IN_STOCK = 0.75;
const REFUSED = "saga_write_refused";

/**
 * Replicas of Order on one database, customers who order, and every two seconds one replica is
 * killed by SIGKILL and another stands still for longer than its lease. Answers what became of it.
 * Throws StackError when a process cannot be started.
 */
export async function runTakeover(options: TakeoverOptions): Promise<TakeoverResult> {
  const settings = {
    ...DEFAULTS,
    seed: freshSeed(),
    signal: new AbortController().signal,
    onProgress: () => {},
    ...options,
  };
  return await new Takeover(settings).run();
}

class Takeover {
  readonly #settings: Required<TakeoverOptions>;
  readonly #random: Random;
  #placed = 0;
  #fencedWrites = 0;
  #losses: readonly Loss[] = [];

  constructor(settings: Required<TakeoverOptions>) {
    this.#settings = settings;
    this.#random = seededRandom(settings.seed);
  }

  async run(): Promise<TakeoverResult> {
    const { dataDir, leaseMs, replicas, signal } = this.#settings;
    this.#tell("starting");
    const settings = {
      SAGA_LEASE_MS: String(leaseMs),
      DATABASE_POOL_SIZE: String(Math.max(3, Math.floor(CONNECTIONS / replicas))),
    };
    const config = envToConfig({ ...ANY_PORT, DATA_DIR: dataDir });
    await using stack = await startStack(config, { listener: this.#listener(), signal });
    // Its own one would be a replica that is never killed.
    await stack.services.order.stop();
    const sql = connectPostgres(stack.databaseUrls.order, {
      max: 2,
      applicationName: "tercet-chaos",
    });
    try {
      await using fleet = await OrderFleet.start({
        stack,
        sql,
        size: replicas,
        env: settings,
        random: this.#random,
      });
      return await this.#trouble(stack, sql, fleet);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async #trouble(stack: Stack, sql: Sql, fleet: OrderFleet): Promise<TakeoverResult> {
    this.#losses = fleet.losses;
    const over = new AbortController();
    const stock = await this.#putProduct(stack, fleet);
    const unpaid = watchUnpaidOrders(stack, over.signal, { everyMs: 1_000 });
    // Its failure is for whoever awaits it below.
    unpaid.catch(() => {});
    try {
      const [shopping] = await Promise.all([
        this.#shop(stack, fleet, over.signal),
        this.#harm(fleet),
      ]);
      this.#tell("draining");
      await this.#drained(stack);
      over.abort();
      const unpaidOrders = (await unpaid).unpaid.map(
        (id) => `I12: order ${id} was confirmed and not paid for`,
      );
      const further = [
        ...shopping.refusals,
        ...unpaidOrders,
        ...(await wrongStock(sql, SKU, stock)),
      ];
      const { seed } = this.#settings;
      const findings = {
        snapshot: await readSnapshot(stack),
        losses: fleet.losses,
        workers: fleet.workers,
      };
      return {
        seed,
        fencedWrites: this.#fencedWrites,
        ...assess(findings, shopping.acknowledged, further),
      };
    } finally {
      over.abort();
      await unpaid.catch(() => {});
    }
  }

  async #putProduct(stack: Stack, fleet: OrderFleet): Promise<bigint> {
    const stock = BigInt(Math.ceil(this.#settings.orders * IN_STOCK));
    const { accessToken } = await createApi(stack.urls.edge).identity.login(stack.users.olivia);
    const product = {
      sku: SKU,
      name: "Teapot",
      price: { currencyCode: "EUR", minorUnits: 1_999n },
      stock,
    };
    await createApi(fleet.urls[0] ?? "", accessToken).catalog.putProduct({
      product,
      requestId: crypto.randomUUID(),
    });
    return stock;
  }

  async #shop(stack: Stack, fleet: OrderFleet, over: AbortSignal): Promise<Shopping> {
    const { orders, seconds } = this.#settings;
    const signal = AbortSignal.any([over, this.#settings.signal]);
    const { accessToken: token } = await createApi(stack.urls.edge).identity.login(
      stack.users.alice,
    );
    const onPlaced = () => {
      this.#placed++;
    };
    // Chance of its own: when a customer is answered must not decide who is killed.
    const random = seededRandom(this.#settings.seed + 1);
    return await shop({
      urls: () => fleet.urls,
      token,
      sku: SKU,
      orders,
      overMs: seconds * 1_000,
      random,
      signal,
      onPlaced,
    });
  }

  async #harm(fleet: OrderFleet): Promise<void> {
    const { seconds, leaseMs, signal } = this.#settings;
    const end = performance.now() + seconds * 1_000;
    while (performance.now() + EVERY_MS < end) {
      await sleep(EVERY_MS, undefined, { signal });
      await fleet.kill();
      await fleet.freeze(frozenMs(leaseMs));
      this.#tell("killing");
    }
    await fleet.complete();
  }

  /** Waits until snapshot has ended, or should have: then the audit says what has not. */
  async #drained(stack: Stack): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    while (unfinished(await readSnapshot(stack)).length > 0 && performance.now() < deadline)
      await sleep(500, undefined, { signal: this.#settings.signal });
  }

  #listener(): ProgressListener {
    return {
      ...silentListener,
      notice: (_sentence, event) => {
        if (event === REFUSED) this.#fencedWrites++;
      },
    };
  }

  #count(how: Loss["how"]): number {
    return this.#losses.filter((loss) => loss.how === how).length;
  }

  #tell(doing: TakeoverProgress["doing"]): void {
    const { seed, onProgress } = this.#settings;
    onProgress({
      seed,
      doing,
      placed: this.#placed,
      kills: this.#count("killed"),
      freezes: this.#count("frozen"),
      fencedWrites: this.#fencedWrites,
    });
  }
}
