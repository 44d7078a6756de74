import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Api, createApi, type Stack } from "@tercet/stack";
import { type CallLog, persistently } from "./calls.ts";
import { type Random, weighted } from "./random.ts";

export interface BuyerOptions {
  readonly stack: Stack;
  /** Where Order is called. */
  readonly orderUrl: string;
  /** How many place one order after the other. */
  readonly buyers: number;
  readonly random: Random;
  readonly log: CallLog;
  /** Nobody begins another order after it aborts. */
  readonly signal: AbortSignal;
  /** An order was acknowledged: its request_id, its id. */
  readonly onAcknowledged: (requestId: string, orderId: string) => void;
}

/**
 * What is paid with, and how often. `tok_timeout` is never answered by the provider, `tok_slow`
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
const TIMEOUT_MS = 5_000;
/** What is left of an order after the last one began is finished within this time, or given up. */
const LAST_CALLS_MS = 30_000;
/** Access tokens live for 10 minutes. */
const NEW_TOKEN_MS = 300_000;
const PLENTY = 1_000_000_000n;

interface Shop {
  readonly api: () => Api;
  readonly sku: string;
  readonly soldOut: string;
}

/** Places orders, and cancels some, until the signal aborts and each is acknowledged. */
export async function runBuyers(options: BuyerOptions): Promise<void> {
  const { stack, orderUrl, signal } = options;
  const products = await stockUp(stack);
  let api = createApi(orderUrl, await logIn(stack, signal));
  const renewed = renewToken(stack, signal, (token) => {
    api = createApi(orderUrl, token);
  });
  const shop: Shop = { ...products, api: () => api };
  await Promise.all(Array.from({ length: options.buyers }, () => buyAgainAndAgain(options, shop)));
  await renewed;
}

async function stockUp(stack: Stack): Promise<Pick<Shop, "sku" | "soldOut">> {
  const { accessToken } = await createApi(stack.urls.edge).identity.login(stack.users.olivia);
  const { catalog } = createApi(stack.urls.edge, accessToken);
  const price = { currencyCode: "EUR", minorUnits: 1_999n };
  const [sku, soldOut] = ["CHAOS-PLENTY", "CHAOS-SOLD-OUT"];
  await catalog.putProduct({
    product: { sku, name: "Plenty", price, stock: PLENTY },
    requestId: crypto.randomUUID(),
  });
  await catalog.putProduct({
    product: { sku: soldOut, name: "None", price, stock: 0n },
    requestId: crypto.randomUUID(),
  });
  return { sku, soldOut };
}

async function logIn(stack: Stack, signal: AbortSignal): Promise<string> {
  const { identity } = createApi(stack.urls.edge);
  const answer = await persistently(
    () => identity.login(stack.users.alice, { timeoutMs: TIMEOUT_MS }),
    signal,
  );
  return answer?.accessToken ?? "";
}

async function renewToken(
  stack: Stack,
  signal: AbortSignal,
  use: (token: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(NEW_TOKEN_MS, undefined, { signal }).catch(() => {});
    const token = await logIn(stack, signal);
    if (token !== "") use(token);
  }
}

async function buyAgainAndAgain(options: BuyerOptions, shop: Shop): Promise<void> {
  const { signal } = options;
  // What was begun is brought to an end, but not for ever.
  const giveUp = new AbortController();
  signal.addEventListener(
    "abort",
    () => void sleep(LAST_CALLS_MS, undefined, { ref: false }).then(() => giveUp.abort()),
    { once: true },
  );
  while (!signal.aborted) await buy(options, shop, giveUp.signal);
}

async function buy(
  { random, log, onAcknowledged }: BuyerOptions,
  { api, sku, soldOut }: Shop,
  signal: AbortSignal,
): Promise<void> {
  const requestId: string = crypto.randomUUID();
  const items = [{ sku: random() < SOLD_OUT_SHARE ? soldOut : sku, quantity: 1 }];
  const request = { requestId, items, paymentMethod: { token: weighted(TOKENS, random) } };
  const create = () =>
    log.make("CreateOrder", TIMEOUT_MS, (timeoutMs) =>
      api().orders.createOrder(request, { timeoutMs }),
    );
  const order = await persistently(create, signal);
  if (order === undefined) return;
  onAcknowledged(requestId, order.id);
  if (random() < CANCELLED_SHARE) await cancel({ log }, api, order.id, signal);
}

/**
 * An order that was not confirmed, or is being cancelled already, is refused: that is an answer.
 */
async function cancel(
  { log }: Pick<BuyerOptions, "log">,
  api: Shop["api"],
  orderId: string,
  signal: AbortSignal,
): Promise<void> {
  const request = { orderId, requestId: crypto.randomUUID() as string, reason: "changed my mind" };
  const refusals = [Code.FailedPrecondition];
  const call = () =>
    log.make(
      "CancelOrder",
      TIMEOUT_MS,
      (timeoutMs) => api().orders.cancelOrder(request, { timeoutMs }),
      refusals,
    );
  await persistently(call, signal).catch((error: unknown) => {
    if (ConnectError.from(error).code !== Code.FailedPrecondition) throw error;
  });
}
