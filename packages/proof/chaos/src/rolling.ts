import { findViolations, readSnapshot, untilSettled } from "@tercet/audit";
import { type Distribution, distribution } from "@tercet/cli";
import {
  ANY_PORT,
  createApi,
  envToConfig,
  type ServiceProcess,
  type Stack,
  startStack,
} from "@tercet/stack";
import { type Balancer, startBalancer } from "./balancer.ts";
import { LaneLog, type LaneResult, openLanes } from "./lanes.ts";

export interface RollingOptions {
  readonly dataDir: string;
  /** How often every replica is replaced. */
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RollingProgress) => void;
}

export interface RollingProgress {
  readonly round: number;
  readonly replaced: number;
  readonly calls: number;
  readonly failed: number;
}

export interface RollingResult {
  readonly rounds: number;
  readonly replaced: number;
  readonly lanes: readonly LaneResult[];
  /** Milliseconds from SIGTERM to the end of the process. */
  readonly drainMs: Distribution;
  readonly orders: number;
  readonly breaches: readonly string[];
}

const REPLICAS = 2;
const SETTINGS = {
  /**
   * Many times what the balancer takes to notice, and long enough for most kept connections to have
   * a last call.
   */
  DRAIN_DELAY_MS: "3000",
  /** Longer than a call may take. */
  DRAIN_TIMEOUT_MS: "15000",
  /** Connections are renewed all the while. */
  MAX_CONNECTION_AGE_MS: "3000",
};
const STOP_WITHIN_MS = 25_000;
const BETWEEN_CALLS_MS = 100;
const SETTLED_WITHIN_MS = 30_000;
const SKU = "ROLLING";
const PLENTY = 1_000_000n;

/**
 * Two replicas each of Order and Payment, behind a balancer each, are replaced one by one, as a
 * Deployment does that may surge by one and lack none: the new one is ready before the old one gets
 * SIGTERM, of which the balancer learns only by its probes. Meanwhile they are called all the time,
 * over connections that are kept; no call may fail. Throws StackError when a process cannot be
 * started.
 */
export async function runRolling(options: RollingOptions): Promise<RollingResult> {
  await using balancers = new AsyncDisposableStack();
  const order = balancers.use(await startBalancer());
  const payment = balancers.use(await startBalancer());
  const config = envToConfig({ ...ANY_PORT, DATA_DIR: options.dataDir });
  const serviceEnv = {
    ...config.serviceEnv,
    order: { ...config.serviceEnv.order, PAYMENT_URL: payment.url },
  };
  await using stack = await startStack({ ...config, serviceEnv }, { signal: options.signal });
  return await new Rolling(options, stack, { order, payment }).run();
}

type Balanced = "order" | "payment";

class Rolling {
  readonly #options: RollingOptions;
  readonly #stack: Stack;
  readonly #balancers: Readonly<Record<Balanced, Balancer>>;
  readonly #replicas: Readonly<Record<Balanced, ServiceProcess[]>> = { order: [], payment: [] };
  readonly #acknowledged = new Map<string, string>();
  readonly #drains: number[] = [];
  readonly #breaches: string[] = [];
  #logs: readonly LaneLog[] = [];
  #token = "";

  constructor(
    options: RollingOptions,
    stack: Stack,
    balancers: Readonly<Record<Balanced, Balancer>>,
  ) {
    this.#options = options;
    this.#stack = stack;
    this.#balancers = balancers;
  }

  async run(): Promise<RollingResult> {
    for (const name of ["payment", "order"] as const) {
      for (let n = 0; n < REPLICAS; n++)
        this.#replicas[name].push(await this.#stack.startReplica(name, SETTINGS));
      await this.#balance(name);
      await this.#stack.services[name].stop();
    }
    await this.#logIn();
    await this.#underLoad(() => this.#restartAll());
    return await this.#result();
  }

  async #restartAll(): Promise<void> {
    const { rounds, signal } = this.#options;
    for (let round = 1; round <= rounds; round++) {
      // Tokens live for ten minutes.
      await this.#logIn();
      for (const name of ["payment", "order"] as const)
        for (let n = 0; n < REPLICAS; n++) {
          signal.throwIfAborted();
          await this.#replaceOldest(name);
          this.#tell(round);
        }
    }
  }

  async #replaceOldest(name: Balanced): Promise<void> {
    const replicas = this.#replicas[name];
    replicas.push(await this.#stack.startReplica(name, SETTINGS));
    await this.#balance(name);
    const started = performance.now();
    const exit = await replicas[0]?.stop(STOP_WITHIN_MS);
    this.#drains.push(performance.now() - started);
    if (exit !== "exit code 0") this.#breaches.push(`a replica of ${name} ended with ${exit}`);
    replicas.shift();
    await this.#balance(name);
  }

  #balance(name: Balanced): Promise<void> {
    const urls = this.#replicas[name].map(({ url }) => url);
    return this.#balancers[name].serve(urls, this.#options.signal);
  }

  async #underLoad(work: () => Promise<void>): Promise<void> {
    const { order, payment } = this.#balancers;
    const lanes = openLanes({
      orderUrl: order.url,
      paymentUrl: payment.url,
      token: () => this.#token,
      sku: SKU,
      paymentId: await this.#firstPayment(),
      onAcknowledged: (requestId, orderId) => this.#acknowledged.set(requestId, orderId),
    });
    const over = new AbortController();
    const logs = lanes.map((lane) => new LaneLog(lane.name));
    this.#logs = logs;
    const running = lanes.map((lane, index) =>
      logs[index]?.run(lane, BETWEEN_CALLS_MS, over.signal),
    );
    try {
      await work();
    } finally {
      over.abort();
      await Promise.all(running);
      for (const lane of lanes) lane[Symbol.dispose]();
    }
  }

  async #logIn(): Promise<void> {
    const { urls, users } = this.#stack;
    ({ accessToken: this.#token } = await createApi(urls.edge).identity.login(users.alice));
  }

  /** Of an order for one of plenty. */
  async #firstPayment(): Promise<string> {
    const { urls, users } = this.#stack;
    const { accessToken } = await createApi(urls.edge).identity.login(users.olivia);
    const product = {
      sku: SKU,
      name: "Teapot",
      price: { currencyCode: "EUR", minorUnits: 1_999n },
      stock: PLENTY,
    };
    const requestId = crypto.randomUUID();
    await createApi(this.#balancers.order.url, accessToken).catalog.putProduct({
      product,
      requestId,
    });
    const order = {
      requestId,
      items: [{ sku: SKU, quantity: 1 }],
      paymentMethod: { token: "tok_visa" },
    };
    const { id, paymentId } = await createApi(
      this.#balancers.order.url,
      this.#token,
    ).orders.createOrder(order);
    this.#acknowledged.set(requestId, id);
    return paymentId;
  }

  async #result(): Promise<RollingResult> {
    const open = await untilSettled(this.#stack, SETTLED_WITHIN_MS, this.#options.signal);
    const snapshot = await readSnapshot(this.#stack);
    const lanes = this.#logs.map(({ result }) => result);
    const failed = lanes.flatMap(({ name, failures }) =>
      failures.map((failure) => `${name}: ${failure}`),
    );
    const idle = lanes
      .filter(({ calls }) => calls === 0)
      .map(({ name }) => `${name}: no call was made`);
    return {
      rounds: this.#options.rounds,
      replaced: this.#drains.length,
      lanes,
      drainMs: distribution(this.#drains),
      orders: snapshot.orders.length,
      breaches: [
        ...this.#breaches,
        ...failed,
        ...idle,
        ...open,
        ...findViolations(snapshot, this.#acknowledged),
      ],
    };
  }

  #tell(round: number): void {
    const results = this.#logs.map(({ result }) => result);
    const sum = (of: (result: LaneResult) => number) =>
      results.reduce((total, result) => total + of(result), 0);
    this.#options.onProgress({
      round,
      replaced: this.#drains.length,
      calls: sum(({ calls }) => calls),
      failed: sum(({ failures }) => failures.length),
    });
  }
}
