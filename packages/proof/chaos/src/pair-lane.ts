import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "@tercet/cli";
import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import {
  ANY_PORT,
  type Api,
  createApi,
  envToConfig,
  type ServiceProcess,
  type Stack,
  startStack,
} from "@tercet/stack";
import { persistently } from "./calls.ts";
import type { Failpoint, Pair } from "./pair-journeys.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

/** What came of a pair. */
export interface PairOutcome {
  /** How many of the two killed; an order may come by its end before the second. */
  readonly killed: 0 | 1 | 2;
  /** What is wrong with the order. */
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
/** How long an order may take to come by a failpoint, and to its end. */
const COMES_BY_MS = 8_000;
const ENDS_MS = 30_000;
const LOOK_EVERY_MS = 50;
const CALL = { timeoutMs: 2_000 };
/** A provider that does not answer is not waited for. */
const SHORT = { timeoutMs: 700 };

type Service = Failpoint["service"];

/**
 * A system of its own, with one process of Order and of Payment at a time, which are replaced as a
 * pair wants it.
 */
export class PairLane implements AsyncDisposable {
  readonly stack: Stack;
  readonly #proxies: Readonly<Record<Service, TcpProxy>>;
  readonly #processes = new Map<
    Service,
    { readonly process: ServiceProcess; readonly armed: string }
  >();
  readonly #resources: AsyncDisposableStack;
  #token = "";

  static async start(dataDir: string, signal: AbortSignal): Promise<PairLane> {
    await using starting = new AsyncDisposableStack();
    const proxies = {
      order: starting.use(await startTcpProxy()),
      payment: starting.use(await startTcpProxy()),
    };
    const config = envToConfig({ ...ANY_PORT, DATA_DIR: dataDir, ...ENV });
    const serviceEnv = {
      ...config.serviceEnv,
      order: { ...config.serviceEnv.order, PAYMENT_URL: proxies.payment.url },
    };
    const stack = starting.use(
      await startStack({ ...config, serviceEnv, supervise: false }, { signal }),
    );
    const { accessToken } = await createApi(stack.urls.edge).identity.login(stack.users.olivia);
    await stockUp(stack, accessToken);
    await Promise.all([stack.services.order.stop(), stack.services.payment.stop()]);
    return new PairLane(stack, proxies, starting.move());
  }

  private constructor(
    stack: Stack,
    proxies: Readonly<Record<Service, TcpProxy>>,
    resources: AsyncDisposableStack,
  ) {
    this.stack = stack;
    this.#proxies = proxies;
    this.#resources = resources;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  /** Access tokens live for 10 minutes. */
  async renewToken(): Promise<void> {
    ({ accessToken: this.#token } = await createApi(this.stack.urls.edge).identity.login(
      this.stack.users.alice,
    ));
  }

  /** One order, on whose way both kill. */
  async run({ journey, first, second }: Pair): Promise<PairOutcome> {
    const order = new PairOrder(journey, () => createApi(this.#proxies.order.url, this.#token));
    if (journey.cancelled !== undefined) {
      await this.#unarmed();
      await order.place();
    }
    await this.#arm(first);
    const over = new AbortController();
    const asking = order.ask(over.signal);
    const killed = (await this.#killed(first, order)) ? 1 : 0;
    if (killed === 1) await this.#arm(second);
    const both = killed === 1 && (await this.#killed(second, order)) ? 2 : killed;
    await this.#unarmed();
    const breach = await order.end(ENDS_MS);
    over.abort();
    await asking;
    return { killed: both, ...(breach !== undefined && { breach }) };
  }

  /** That failpoint kills; everything else runs, unarmed. */
  async #arm(failpoint: Failpoint): Promise<void> {
    const other = failpoint.service === "order" ? "payment" : "order";
    await Promise.all([
      this.#replace(failpoint.service, `${failpoint.name}=kill`),
      this.#replace(other, ""),
    ]);
  }

  async #unarmed(): Promise<void> {
    await Promise.all([this.#replace("order", ""), this.#replace("payment", "")]);
  }

  async #replace(service: Service, armed: string): Promise<void> {
    const current = this.#processes.get(service);
    if (current !== undefined) {
      if (current.armed === armed && armed === "" && isAlive(current.process)) return;
      current.process.kill();
      await current.process.exited;
    }
    this.#processes.delete(service);
    const process = await this.#start(service, armed);
    if (process === undefined) return;
    this.#processes.set(service, { process, armed });
    this.#proxies[service].to(process.url);
  }

  /**
   * Undefined when it came by its failpoint as soon as it ran: what died before it had left the
   * order there.
   */
  async #start(service: Service, armed: string): Promise<ServiceProcess | undefined> {
    try {
      return await this.stack.startReplica(
        service,
        armed === "" ? {} : { NODE_ENV: "test", FAILPOINTS: armed },
      );
    } catch (error) {
      if (armed !== "" && error instanceof CommandError && error.message.includes("SIGKILL"))
        return undefined;
      throw error;
    }
  }

  /** Whether it killed before the order came to its end. */
  async #killed({ service }: Failpoint, order: PairOrder): Promise<boolean> {
    const process = this.#processes.get(service)?.process;
    const deadline = performance.now() + COMES_BY_MS;
    while (performance.now() < deadline) {
      if (process === undefined || !isAlive(process)) return true;
      if (await order.hasEnded()) return false;
      await sleep(LOOK_EVERY_MS);
    }
    return false;
  }
}

const SKU = { plenty: "PAIR-PLENTY", soldOut: "PAIR-SOLD-OUT" };

async function stockUp(stack: Stack, token: string): Promise<void> {
  const { catalog } = createApi(stack.urls.edge, token);
  const price = { currencyCode: "EUR", minorUnits: 1_999n };
  for (const [sku, stock] of [
    [SKU.plenty, 1_000_000n],
    [SKU.soldOut, 0n],
  ] as const)
    await catalog.putProduct({
      product: { sku, name: sku, price, stock },
      requestId: crypto.randomUUID(),
    });
}

function isAlive({ pid }: ServiceProcess): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** One order, asked for with the same ids as often as it takes. */
class PairOrder {
  readonly #journey: Pair["journey"];
  /** As Order can be reached now. */
  readonly #api: () => Api;
  readonly #requestId: string = crypto.randomUUID();
  readonly #cancelId: string = crypto.randomUUID();
  #id: string | undefined;

  constructor(journey: Pair["journey"], api: () => Api) {
    this.#journey = journey;
    this.#api = api;
  }

  /** Answers when it is there; one that is to be cancelled when confirmed is so then. */
  async place(signal: AbortSignal = NEVER): Promise<void> {
    const { token, soldOut, cancelled } = this.#journey;
    const items = [{ sku: soldOut ? SKU.soldOut : SKU.plenty, quantity: 1 }];
    const request = { requestId: this.#requestId, items, paymentMethod: { token } };
    const options = cancelled === "pending" ? SHORT : CALL;
    for (;;) {
      const order = await persistently(
        () => this.#api().orders.createOrder(request, options),
        signal,
      );
      if (order === undefined) return;
      this.#id = order.id;
      if (cancelled !== "confirmed" || order.status === OrderStatus.CONFIRMED) return;
    }
  }

  /** What its customer asks for while processes die. */
  async ask(signal: AbortSignal): Promise<void> {
    if (this.#journey.cancelled === undefined) return this.place(signal);
    const request = {
      orderId: this.#id ?? "",
      requestId: this.#cancelId,
      reason: "changed my mind",
    };
    await persistently(() => this.#api().orders.cancelOrder(request, SHORT), signal);
  }

  async hasEnded(): Promise<boolean> {
    return (await this.#read())?.status === this.#journey.ending;
  }

  /** What is wrong with it, if it does not end in time as it should. */
  async end(timeoutMs: number): Promise<string | undefined> {
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      if (await this.hasEnded()) return undefined;
      await sleep(LOOK_EVERY_MS);
    }
    const status = OrderStatus[(await this.#read())?.status ?? 0];
    return `order ${this.#id} is ${status}, it should be ${OrderStatus[this.#journey.ending]}`;
  }

  /** Undefined while it is not there, or nobody answers. */
  async #read(): Promise<Order | undefined> {
    if (this.#id === undefined) return undefined;
    return await this.#api()
      .orders.getOrder({ orderId: this.#id }, CALL)
      .catch(() => undefined);
  }
}

const NEVER = new AbortController().signal;
