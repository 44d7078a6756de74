import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type CancelOrderRequest,
  CancelOrderRequestSchema,
  type CreateOrderRequest,
  CreateOrderRequestSchema,
  type OrderService,
} from "@tercet/gen/order/v1/order_service";
import type { SagaDefinition, SagaEngine } from "@tercet/saga";
import {
  decodePageToken,
  invalidField,
  noteLogContext,
  notFound,
  pageSize,
  principal,
  remainingMs,
  type Sql,
  toPage,
  visibleOwner,
  withTimeout,
} from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { cancelPlacedOrder } from "./cancel.ts";
import { findProducts } from "./catalog-store.ts";
import { follow, settledOrder } from "./follow.ts";
import { fromStatusMessage, toEventMessage, toOrderMessage } from "./message.ts";
import { paymentIdOf, priceItems } from "./order.ts";
import type { OrderStore } from "./order-store.ts";
import { once, toRequest } from "./requests.ts";
import type { CancelInput, PlaceInput } from "./sagas.ts";
import { findOrder, listOrders } from "./store.ts";
import type { OrderWatch } from "./watch.ts";

export interface OrderDependencies {
  readonly sql: Sql;
  readonly orders: OrderStore;
  readonly engine: SagaEngine;
  readonly watch: OrderWatch;
  readonly placeOrder: SagaDefinition<PlaceInput>;
  readonly cancelOrder: SagaDefinition<CancelInput>;
}

/** What is left of the caller's time for reading the order once more and answering. */
const ANSWER_MARGIN_MS = 250;

export function orderRoutes(deps: OrderDependencies): ServiceImpl<typeof OrderService> {
  const { sql, watch } = deps;
  /** The order as it is when it is settled, or when the caller's time is nearly over. */
  const settled = async (id: string, context: HandlerContext) => {
    noteLogContext({ orderId: id });
    const waitMs = Math.max(0, (remainingMs(context) ?? 0) - ANSWER_MARGIN_MS);
    using timed = withTimeout(context.signal, waitMs);
    return toOrderMessage(await settledOrder(sql, watch, id, timed.signal));
  };
  return {
    createOrder: async (message, context) => settled(await place(deps, message, context), context),

    cancelOrder: async (message, context) => settled(await cancel(deps, message, context), context),

    async getOrder({ orderId }, context) {
      noteLogContext({ orderId });
      const order = await findOrder(sql, orderId, visibleOwner(context));
      if (order === undefined) throw notFound("order");
      return toOrderMessage(order);
    },

    async listOrders({ pageSize: requested, pageToken, status, customerId }, context) {
      const size = pageSize(requested);
      const owner = visibleOwner(context) ?? (customerId || undefined);
      const filter = { customerId: owner, status: fromStatusMessage(status) };
      const page = toPage(
        await listOrders(sql, filter, decodePageToken(pageToken), size + 1),
        size,
        (order) => order.id,
      );
      return { orders: page.rows.map(toOrderMessage), nextPageToken: page.nextPageToken };
    },

    async *watchOrder({ orderId }, context) {
      noteLogContext({ orderId });
      let told: number | undefined;
      for await (const order of follow(
        sql,
        watch,
        orderId,
        visibleOwner(context),
        context.signal,
      )) {
        const message = toOrderMessage(order);
        const news = told === undefined ? [] : order.timeline.slice(told);
        if (news.length === 0) yield { order: message };
        for (const event of news) yield { order: message, event: toEventMessage(event) };
        told = order.timeline.length;
      }
    },
  };
}

async function place(
  { sql, orders, engine, placeOrder }: OrderDependencies,
  message: CreateOrderRequest,
  context: HandlerContext,
): Promise<string> {
  const skus = message.items.map((item) => item.sku);
  if (new Set(skus).size < skus.length)
    throw invalidField("items", "names a SKU twice; put its quantities together");
  const id = uuidv7();
  noteLogContext({ orderId: id });
  const customerId = principal(context).subject;
  const paymentId = paymentIdOf(id);
  const { items, total, currency } = priceItems(message.items, await findProducts(sql, skus));
  const token = message.paymentMethod?.token ?? "";
  const saga = engine.prepare(placeOrder, id, {
    customerId,
    paymentId,
    currency,
    total: String(total),
    token,
  });
  const request = toRequest(context, CreateOrderRequestSchema, message, id);
  const placed = await once(sql, context, request, () =>
    orders.insertOrder(request, { id, customerId, items, currency, total, paymentId }, saga),
  );
  if (placed === id) engine.drive(saga);
  return placed ?? id;
}

async function cancel(
  deps: OrderDependencies,
  message: CancelOrderRequest,
  context: HandlerContext,
): Promise<string> {
  const { orderId, reason } = message;
  noteLogContext({ orderId });
  const owner = visibleOwner(context);
  if ((await findOrder(deps.sql, orderId, owner)) === undefined) throw notFound("order");
  const failure = owner === undefined ? "CANCELLED_BY_OPERATOR" : "CANCELLED_BY_CUSTOMER";
  const request = toRequest(context, CancelOrderRequestSchema, message, orderId);
  await cancelPlacedOrder(deps, context, request, { reason: failure, message: reason });
  return orderId;
}
