import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "@tercet/cli";
import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import type { ServiceProcess, Stack } from "@tercet/stack";
import type { Failpoint, Journey, Pair } from "./pair-journeys.ts";
import { NEVER, type Persistence, Shopper } from "./shopper.ts";
import { startSystem } from "./system.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

export interface PairOutcome {
  /** How many of the two failpoints killed a process; an order may end before the second. */
  readonly killed: 0 | 1 | 2;
  /** Why the order did not end as it should. */
  readonly breach?: string;
}

const ENV = {
  LOG_LEVEL: "error",
  SAGA_LEASE_MS: "1000",
  PROVIDER_TIMEOUT_MS: "300",
  RECONCILE_AFTER_MS: "1000",
  RECONCILE_INTERVAL_MS: "200",
  RECONCILE_ABANDONED_EVERY_MS: "1000",
  RECONCILE_ABANDONED_FOR_MS: "5000",
};
/** How long an order may take to reach a failpoint, and to end. */
const REACHED_WITHIN_MS = 8_000;
const ENDS_WITHIN_MS = 30_000;
const POLL_MS = 50;
const TIMEOUT_MS = 2_000;
/** For calls that a provider without a response would hold up. */
const SHORT_TIMEOUT_MS = 700;
const IN_STOCK = "PAIR-IN-STOCK";
const SOLD_OUT = "PAIR-SOLD-OUT";

type Service = Failpoint["service"];

/**
 * A system with one process of Order and of Payment at a time, which are replaced for each pair.
 */
export class PairSystem implements AsyncDisposable {
  readonly stack: Stack;
  readonly #proxies: Readonly<Record<Service, TcpProxy>>;
  readonly #processes = new Map<Service, { process: ServiceProcess; failpoints: string }>();
  readonly #resources: AsyncDisposableStack;
  readonly #shopper: Shopper;

  static async start(dataDir: string, signal: AbortSignal): Promise<PairSystem> {
    await using starting = new AsyncDisposableStack();
    const proxies = {
      order: starting.use(await startTcpProxy()),
      payment: starting.use(await startTcpProxy()),
    };
    const stack = starting.use(
      await startSystem({
        dataDir,
        env: ENV,
        paymentUrl: proxies.payment.url,
        stock: { [IN_STOCK]: 1_000_000n, [SOLD_OUT]: 0n },
        replaced: ["order", "payment"],
        signal,
      }),
    );
    return new PairSystem(stack, proxies, starting.move());
  }

  private constructor(
    stack: Stack,
    proxies: Readonly<Record<Service, TcpProxy>>,
    resources: AsyncDisposableStack,
  ) {
    this.stack = stack;
    this.#proxies = proxies;
    this.#resources = resources;
    this.#shopper = new Shopper({ stack, orderUrl: () => proxies.order.url });
  }

  /** What calls ended with that no fault explains. */
  get breaches(): readonly string[] {
    return this.#shopper.log.breaches;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  /** Places one order, on whose journey both failpoints kill. */
  async run({ journey, first, second }: Pair): Promise<PairOutcome> {
    const order = new PairOrder(journey, this.#shopper);
    if (journey.cancelled !== undefined) {
      await this.#disarm();
      await order.place();
    }
    await this.#arm(first);
    const over = new AbortController();
    const calling = order.call(over.signal);
    let killed: PairOutcome["killed"] = 0;
    if (await this.#hasKilled(first, order)) {
      await this.#arm(second);
      killed = (await this.#hasKilled(second, order)) ? 2 : 1;
    }
    await this.#disarm();
    const breach = await order.end();
    over.abort();
    await calling;
    return { killed, ...(breach !== undefined && { breach }) };
  }

  async #arm({ service, name }: Failpoint): Promise<void> {
    const other = service === "order" ? "payment" : "order";
    await Promise.all([this.#replace(service, `${name}=kill`), this.#replace(other, "")]);
  }

  async #disarm(): Promise<void> {
    await Promise.all([this.#replace("order", ""), this.#replace("payment", "")]);
  }

  async #replace(service: Service, failpoints: string): Promise<void> {
    const current = this.#processes.get(service);
    if (current !== undefined) {
      if (current.failpoints === "" && failpoints === "" && isAlive(current.process)) return;
      current.process.kill();
      await current.process.exited;
    }
    this.#processes.delete(service);
    const process = await this.#start(service, failpoints);
    if (process === undefined) return;
    this.#processes.set(service, { process, failpoints });
    this.#proxies[service].to(process.url);
  }

  /** Resolves to undefined when the process reached its failpoint, and was killed, at its start. */
  async #start(service: Service, failpoints: string): Promise<ServiceProcess | undefined> {
    const env = failpoints === "" ? {} : { NODE_ENV: "test", FAILPOINTS: failpoints };
    try {
      return await this.stack.startReplica(service, env);
    } catch (error) {
      if (failpoints !== "" && error instanceof CommandError && error.message.includes("SIGKILL"))
        return undefined;
      throw error;
    }
  }

  /** Whether the failpoint killed its process before the order ended. */
  async #hasKilled({ service }: Failpoint, order: PairOrder): Promise<boolean> {
    const process = this.#processes.get(service)?.process;
    const deadline = performance.now() + REACHED_WITHIN_MS;
    while (performance.now() < deadline) {
      if (process === undefined || !isAlive(process)) return true;
      if ((await order.status()) === order.journey.ending) return false;
      await sleep(POLL_MS);
    }
    return false;
  }
}

function isAlive({ pid }: ServiceProcess): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

class PairOrder {
  readonly journey: Journey;
  readonly #shopper: Shopper;
  readonly #requestId = crypto.randomUUID();
  #id = "";

  constructor(journey: Journey, shopper: Shopper) {
    this.journey = journey;
    this.#shopper = shopper;
  }

  /** Resolves when the order is acknowledged, and confirmed if that is when it is cancelled. */
  async place(signal = NEVER): Promise<void> {
    const { token, soldOut, cancelled } = this.journey;
    const purchase = { requestId: this.#requestId, sku: soldOut ? SOLD_OUT : IN_STOCK, token };
    const timeoutMs = cancelled === "pending" ? SHORT_TIMEOUT_MS : TIMEOUT_MS;
    for (;;) {
      const order = await this.#shopper.place(purchase, { timeoutMs, signal });
      if (order === undefined) return;
      this.#id = order.id;
      if (cancelled !== "confirmed" || order.status === OrderStatus.CONFIRMED) return;
    }
  }

  /** Makes the journey's call while processes are killed. */
  async call(signal: AbortSignal): Promise<void> {
    const how: Persistence = { timeoutMs: SHORT_TIMEOUT_MS, signal };
    if (this.journey.cancelled === undefined) await this.place(signal);
    else await this.#shopper.cancel(this.#id, how);
  }

  /** Resolves to why the order did not end as it should within 30 s, if so. */
  async end(): Promise<string | undefined> {
    const { ending } = this.journey;
    const deadline = performance.now() + ENDS_WITHIN_MS;
    while (performance.now() < deadline) {
      if ((await this.status()) === ending) return undefined;
      await sleep(POLL_MS);
    }
    const status = OrderStatus[(await this.status()) ?? 0];
    return `order ${this.#id} is ${status}, it should be ${OrderStatus[ending]}`;
  }

  /** Undefined before the order is acknowledged, and while Order does not respond. */
  async status(): Promise<OrderStatus | undefined> {
    if (this.#id === "") return undefined;
    const { orders } = await this.#shopper.api();
    return await orders.getOrder({ orderId: this.#id }, { timeoutMs: TIMEOUT_MS }).then(
      ({ status }) => status,
      () => undefined,
    );
  }
}
