import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import {
  type CancelOrderRequest,
  CancelOrderRequestSchema,
  type CreateOrderRequest,
  CreateOrderRequestSchema,
  OrderService,
} from "@tercet/gen/order/v1/order_service";
import {
  decodePageToken,
  findReplay,
  invalidField,
  markReplayed,
  noteLogContext,
  notFound,
  once,
  pageSize,
  principal,
  RequestError,
  type RequestRecord,
  remainingMs,
  toMoneyJson,
  toPage,
  toRequest,
  visibleOwner,
  withTimeout,
} from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { cancelPlacedOrder } from "./cancel.ts";
import { OrderError } from "./errors.ts";
import { fromStatusMessage, toEventMessage, toOrderMessage } from "./message.ts";
import { type PricedProduct, paymentIdOf, priceItems, requireTotal } from "./order.ts";
import type { OrderDeps } from "./order-deps.ts";
import { settledOrder, watchOrder } from "./watch-order.ts";

/**
 * What is kept of the caller's time, which began before ours: for the request's way here, the last
 * read of the order, and the response. A tenth, and at least this.
 */
const MIN_RESPONSE_MARGIN_MS = 250;
const RESPONSE_MARGIN = 0.1;
/** The products of one order are read again if they have changed meanwhile, at most so often. */
const MAX_READS = 3;

/** Returns how long a call may wait for its order. */
export const timeToSettleMs = (leftMs: number): number =>
  Math.max(0, leftMs - Math.max(MIN_RESPONSE_MARGIN_MS, RESPONSE_MARGIN * leftMs));

/** The handlers of order.v1.OrderService. */
export function orderRoutes(deps: OrderDeps) {
  const { store } = deps;
  /** Waits until the order is settled or the caller's time is nearly over. */
  const settled = async (id: string, context: HandlerContext, begin?: () => void) => {
    noteLogContext({ orderId: id });
    using timed = withTimeout(context.signal, timeToSettleMs(remainingMs(context) ?? 0));
    return toOrderMessage(await settledOrder(deps, id, timed.signal, begin));
  };
  return (router: ConnectRouter): void => {
    router.service(OrderService, {
      async createOrder(message, context) {
        const { id, begin } = await placeOrder(deps, message, context);
        return settled(id, context, begin);
      },

      cancelOrder: async (message, context) =>
        settled(await cancelOrder(deps, message, context), context),

      async getOrder({ orderId }, context) {
        noteLogContext({ orderId });
        const order = await store.findOrder(orderId, visibleOwner(context));
        if (order === undefined) throw notFound("order");
        return toOrderMessage(order);
      },

      async listOrders(message, context) {
        const size = pageSize(message.pageSize);
        const filter = {
          customerId: visibleOwner(context) ?? (message.customerId || undefined),
          status: fromStatusMessage(message.status),
        };
        const rows = await store.listOrders(filter, decodePageToken(message.pageToken), size + 1);
        const page = toPage(rows, size, (order) => order.id);
        return { orders: page.rows.map(toOrderMessage), nextPageToken: page.nextPageToken };
      },

      async *watchOrder({ orderId }, context) {
        noteLogContext({ orderId });
        let sentEvents: number | undefined;
        for await (const order of watchOrder(
          deps,
          orderId,
          visibleOwner(context),
          context.signal,
        )) {
          const message = toOrderMessage(order);
          const events = sentEvents === undefined ? [] : order.timeline.slice(sentEvents);
          if (events.length === 0) yield { order: message };
          for (const event of events) yield { order: message, event: toEventMessage(event) };
          sentEvents = order.timeline.length;
        }
      },
    });
  };
}

/** An order that was placed, and what begins its saga unless that was done before. */
interface Placed {
  readonly id: string;
  readonly begin?: () => void;
}

/** Places the order, once, at the prices that are known, or else at those that are read. */
async function placeOrder(
  deps: OrderDeps,
  message: CreateOrderRequest,
  context: HandlerContext,
): Promise<Placed> {
  const { store, products } = deps;
  const skus = message.items.map((item) => item.sku);
  if (new Set(skus).size < skus.length)
    throw invalidField("items", "names a SKU twice; put its quantities together");
  const id = uuidv7();
  noteLogContext({ orderId: id });
  const request = toRequest(context, CreateOrderRequestSchema, message, id);
  const place = (catalog: readonly PricedProduct[]) =>
    placePriced(deps, message, context, request, catalog);
  // What is known may have changed: a refusal by it does not count.
  const known = products.recall(skus);
  let placed = known && (await place(known).catch(unlessRefused));
  for (let reads = 0; placed === undefined && reads < MAX_READS; reads++) {
    const catalog = await products.read(skus);
    placed = await place(catalog).catch(async (refusal) => {
      unlessRefused(refusal);
      // The catalog may have changed since the order was accepted: that must not refuse a replay.
      const replayed = await findReplay(store, request);
      if (replayed === undefined) throw refusal;
      markReplayed(context);
      return { id: replayed };
    });
  }
  if (placed === undefined)
    throw new RequestError("CONFLICT", "the products changed while they were ordered; try again");
  return placed;
}

/** Throws the failure again, unless it refuses an order at the prices that it was given. */
function unlessRefused(error: unknown): undefined {
  if (!(error instanceof OrderError)) throw error;
}

/** Resolves to undefined if a product is no longer as in this catalog. */
async function placePriced(
  { store, engine, placeOrder }: OrderDeps,
  message: CreateOrderRequest,
  context: HandlerContext,
  request: RequestRecord,
  catalog: readonly PricedProduct[],
): Promise<Placed | undefined> {
  const priced = priceItems(message.items, catalog);
  if (message.expectedTotal !== undefined) requireTotal(priced.total, message.expectedTotal);
  const id = request.resourceId;
  const order = {
    id,
    customerId: principal(context).subject,
    paymentId: paymentIdOf(id),
    ...priced,
  };
  const input = {
    customerId: order.customerId,
    paymentId: order.paymentId,
    amount: toMoneyJson(order.total),
    token: message.paymentMethod?.token ?? "",
  };
  const saga = engine.prepare(placeOrder, id, input, order.customerId);
  const result = await once(store, request, () => store.insertOrder(request, order, saga));
  if (result.kind === "unchanged") return undefined;
  if (result.kind === "done") return { id, begin: () => engine.drive(saga) };
  markReplayed(context);
  return { id: result.resourceId };
}

/** Cancels the order, once; resolves to its id. */
async function cancelOrder(
  deps: OrderDeps,
  message: CancelOrderRequest,
  context: HandlerContext,
): Promise<string> {
  const { orderId, reason } = message;
  noteLogContext({ orderId });
  const owner = visibleOwner(context);
  if ((await deps.store.findOrder(orderId, owner)) === undefined) throw notFound("order");
  const failure = {
    reason: owner === undefined ? "CANCELLED_BY_OPERATOR" : "CANCELLED_BY_CUSTOMER",
    message: reason,
  };
  const request = toRequest(context, CancelOrderRequestSchema, message, orderId);
  const result = await cancelPlacedOrder(deps, request, failure);
  if (result.kind === "replayed") markReplayed(context);
  return orderId;
}
