import { setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import type { Order } from "@tercet/gen/order/v1/order_service";
import { type Api, createApi, type Stack } from "@tercet/stack";
import { CallLog } from "./call-log.ts";
import { isPassing } from "./passing.ts";

export interface ShopperOptions {
  readonly stack: Pick<Stack, "urls" | "users">;
  /** Returns the address for the next call to Order. */
  readonly orderUrl: () => string;
  readonly log?: CallLog;
  readonly onAcknowledged?: () => void;
}

export interface Purchase {
  readonly sku: string;
  /** The payment method's. */
  readonly token: string;
  readonly requestId?: string;
}

export interface Persistence {
  /** Of each call. */
  readonly timeoutMs: number;
  /** Stops the repetition; a call in progress ends by its own timeout. */
  readonly signal?: AbortSignal;
}

export const NEVER: AbortSignal = new AbortController().signal;

const BETWEEN_CALLS_MS = 100;
const LOGIN_TIMEOUT_MS = 5_000;
/** Access tokens live for 10 minutes. */
const NEW_TOKEN_MS = 300_000;

/** A customer who repeats each call, with the same request_id, until it succeeds or is refused. */
export class Shopper {
  /** Ids of acknowledged orders by request_id. */
  readonly acknowledged = new Map<string, string>();
  readonly log: CallLog;
  readonly #options: ShopperOptions;
  #token: Promise<string> | undefined;
  #tokenAt = 0;

  constructor(options: ShopperOptions) {
    this.#options = options;
    this.log = options.log ?? new CallLog();
  }

  /** Resolves to the order, or to undefined when it was refused or the signal aborted. */
  async place(
    { requestId = crypto.randomUUID(), sku, token }: Purchase,
    how: Persistence,
  ): Promise<Order | undefined> {
    const request = { requestId, items: [{ sku, quantity: 1 }], paymentMethod: { token } };
    const order = await this.#persist("CreateOrder", how, ({ orders }, options) =>
      orders.createOrder(request, options),
    );
    if (order === undefined) return undefined;
    this.acknowledged.set(requestId, order.id);
    this.#options.onAcknowledged?.();
    return order;
  }

  /** Cancels an order, unless it is refused: the order ended otherwise or is being cancelled. */
  async cancel(orderId: string, how: Persistence): Promise<void> {
    const request = { orderId, requestId: crypto.randomUUID(), reason: "changed my mind" };
    await this.#persist(
      "CancelOrder",
      how,
      ({ orders }, options) => orders.cancelOrder(request, options),
      [Code.FailedPrecondition],
    );
  }

  /** Resolves to the clients of Order at its current address. */
  async api(signal: AbortSignal = NEVER): Promise<Api> {
    return createApi(this.#options.orderUrl(), await this.token(signal));
  }

  /** Resolves to an access token, which is renewed when it is half as old as it may be. */
  async token(signal: AbortSignal = NEVER): Promise<string> {
    if (this.#token === undefined || performance.now() - this.#tokenAt > NEW_TOKEN_MS) {
      this.#tokenAt = performance.now();
      this.#token = this.#logIn(signal);
    }
    return await this.#token;
  }

  async #logIn(signal: AbortSignal): Promise<string> {
    const { urls, users } = this.#options.stack;
    const { identity } = createApi(urls.edge);
    for (;;)
      try {
        const { accessToken } = await identity.login(users.alice, { timeoutMs: LOGIN_TIMEOUT_MS });
        return accessToken;
      } catch (error) {
        if (!isPassing(error)) throw error;
        await sleep(BETWEEN_CALLS_MS, undefined, { signal });
      }
  }

  async #persist<T>(
    what: string,
    { timeoutMs, signal = NEVER }: Persistence,
    call: (api: Api, options: { readonly timeoutMs: number }) => Promise<T>,
    refusals: readonly Code[] = [],
  ): Promise<T | undefined> {
    while (!signal.aborted) {
      const api = await this.api(signal);
      try {
        return await this.log.make(what, timeoutMs, () => call(api, { timeoutMs }), refusals);
      } catch (error) {
        if (!isPassing(error)) return undefined;
        await sleep(BETWEEN_CALLS_MS, undefined, { signal }).catch(() => {});
      }
    }
    return undefined;
  }
}
