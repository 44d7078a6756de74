import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Api, createApi, logIn, type Stack } from "@tercet/stack";
import type { ProviderMood } from "./report.ts";

const EVERY_MS = 350;
const CALL_TIMEOUT_MS = 5_000;
const AGAIN_MS = 400;
const IN_FLIGHT = 40;
/** Access tokens live for 10 minutes. */
const NEW_TOKEN_MS = 300_000;
const RESTOCK = 1_000n;

interface Purchase {
  readonly sku: string;
  readonly token: string;
}

/** What is bought, again and again: most orders succeed at once, some take time, some fail. */
const MIX: readonly Purchase[] = [
  { sku: "MUG-BLUE", token: "tok_visa" },
  { sku: "FILTERS-100", token: "tok_slow" },
  { sku: "TEA-SENCHA", token: "tok_visa" },
  { sku: "MUG-RED", token: "tok_flaky" },
  { sku: "COFFEE-1KG", token: "tok_slow" },
  { sku: "MUG-BLUE", token: "tok_visa" },
  { sku: "VINYL-FIRST-PRESS", token: "tok_visa" },
  { sku: "TRAVEL-CUP", token: "tok_slow" },
];
/** What the provider's mood makes of each order. */
const MOODS: Readonly<Record<Exclude<ProviderMood, "works">, Purchase>> = {
  "loses-answers": { sku: "MUG-BLUE", token: "tok_timeout_then_success" },
  declines: { sku: "MUG-BLUE", token: "tok_declined" },
  "refuses-refunds": { sku: "VINYL-FIRST-PRESS", token: "tok_refund_fails" },
};
/** Moods in which every so-manieth order is one of the usual mix. */
const USUAL_EVERY = 3;

export interface BuyerOptions {
  readonly stack: Pick<Stack, "urls" | "users">;
  readonly mood: () => ProviderMood;
  /** The service has accepted an order. */
  readonly onAccepted: (orderId: string) => void;
}

/** A customer who orders steadily, and repeats a call with the same id until it is answered. */
export class Buyer {
  readonly #options: BuyerOptions;
  #over: AbortController | undefined;
  #work: Promise<void> = Promise.resolve();
  #inFlight = 0;
  #count = 0;
  #api: Promise<Api> | undefined;
  #apiAt = 0;

  constructor(options: BuyerOptions) {
    this.#options = options;
  }

  get ordering(): boolean {
    return this.#over !== undefined;
  }

  setOrdering(wanted: boolean): void {
    if (wanted === this.ordering) return;
    if (!wanted) {
      this.#over?.abort();
      this.#over = undefined;
      return;
    }
    const over = new AbortController();
    this.#over = over;
    this.#work = this.#orderSteadily(over.signal);
  }

  async stop(): Promise<void> {
    this.setOrdering(false);
    await this.#work;
  }

  async #orderSteadily(signal: AbortSignal): Promise<void> {
    await this.#restock().catch(() => {});
    const placing = new Set<Promise<void>>();
    while (!signal.aborted) {
      if (this.#inFlight < IN_FLIGHT) {
        const placed = this.#place(this.#next(), signal).finally(() => placing.delete(placed));
        placing.add(placed);
      }
      await sleep(EVERY_MS, undefined, { signal }).catch(() => {});
    }
    await Promise.all(placing);
  }

  #next(): Purchase {
    this.#count += 1;
    const mood = this.#options.mood();
    const usual = MIX[this.#count % MIX.length] ?? { sku: "MUG-BLUE", token: "tok_visa" };
    return mood === "works" || this.#count % USUAL_EVERY === 0 ? usual : MOODS[mood];
  }

  async #place({ sku, token }: Purchase, signal: AbortSignal): Promise<void> {
    const requestId = crypto.randomUUID();
    const request = { requestId, items: [{ sku, quantity: 1 }], paymentMethod: { token } };
    this.#inFlight += 1;
    try {
      while (!signal.aborted)
        try {
          const { orders } = await this.#client();
          const { id } = await orders.createOrder(request, { timeoutMs: CALL_TIMEOUT_MS });
          return this.#options.onAccepted(id);
        } catch (error) {
          if (!mayWork(error)) return;
          await sleep(AGAIN_MS, undefined, { signal }).catch(() => {});
        }
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** Alice's API, with a fresh token now and then. */
  #client(): Promise<Api> {
    const old = Date.now() - this.#apiAt > NEW_TOKEN_MS;
    if (this.#api === undefined || old) {
      this.#apiAt = Date.now();
      const { stack } = this.#options;
      this.#api = logIn(stack.urls.edge, stack.users.alice);
      this.#api.catch(() => {
        this.#api = undefined;
      });
    }
    return this.#api;
  }

  /** So that hours of it do not end in an empty shop. */
  async #restock(): Promise<void> {
    const { stack } = this.#options;
    const { catalog } = await logIn(stack.urls.edge, stack.users.olivia);
    const { products } = await createApi(stack.urls.edge).catalog.listProducts({ pageSize: 100 });
    const bought = new Set(MIX.map(({ sku }) => sku).filter((sku) => sku !== "VINYL-FIRST-PRESS"));
    for (const { sku, stock } of products)
      if (bought.has(sku) && stock < RESTOCK)
        await catalog.adjustStock({ sku, delta: RESTOCK, requestId: crypto.randomUUID() });
  }
}

/** Whether the same call may succeed later. */
const mayWork = (error: unknown): boolean =>
  [
    Code.Unavailable,
    Code.DeadlineExceeded,
    Code.Aborted,
    Code.Internal,
    Code.Unknown,
    Code.ResourceExhausted,
    Code.Unauthenticated,
  ].includes(ConnectError.from(error).code);
