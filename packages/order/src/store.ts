import type { ApplyMoves, Move, MoveResult, NewSaga, SagaFailure } from "@tercet/saga";
import type { RequestRecord, RequestStore } from "@tercet/service";
import type {
  NewOrder,
  NewProduct,
  Order,
  OrderStatus,
  OrderWithTimeline,
  Product,
  RefundedPayment,
} from "./order.ts";

/**
 * Products, orders and the requests that changed them. Each method is one statement. A method that
 * takes a request uses it up if it changes something, and resolves to whether it did: false when
 * the request was used before, or when nothing could be changed.
 */
export interface OrderStore extends RequestStore {
  /**
   * Places the order: its row, its saga and its request. Changes nothing unless its items are as
   * their products are now, by name and price.
   */
  insertOrder(request: RequestRecord, order: NewOrder, saga: NewSaga): Promise<boolean>;
  /** Takes the stock and confirms the order, or refuses with OUT_OF_STOCK. */
  readonly confirmOrders: ApplyMoves;
  /**
   * Ends orders whose saga has undone everything: REJECTED if the payment was declined, so that no
   * money ever moved, else CANCELLED.
   */
  readonly closeOrders: ApplyMoves;
  /** Returns the stock and ends the cancellation: the whole payment is refunded by then. */
  readonly restockOrders: ApplyMoves;
  /** Moves that belong to no step (compensate, park, resume): the order shows its saga's state. */
  reflectMoves(moves: readonly Move[], kind: string): Promise<readonly MoveResult[]>;
  /** A move by an operator or a customer, if the saga is still as it was when it was decided. */
  intervene(request: RequestRecord, move: Move, kind: string): Promise<boolean>;
  /** Starts the cancellation of an order, if it is CONFIRMED. */
  cancelConfirmed(
    request: RequestRecord,
    orderId: string,
    failure: SagaFailure,
    saga: NewSaga,
  ): Promise<boolean>;
  /** How far a feed was read; undefined if it never was. */
  findFeed(name: string): Promise<string | undefined>;
  /**
   * Records what was refunded of these orders, and how far the feed was read. What an order has
   * refunded never decreases, so the same page may be recorded twice and by several replicas.
   * Resolves to the ids of the orders that changed.
   */
  recordRefunds(
    feed: string,
    pageToken: string,
    refunds: readonly RefundedPayment[],
  ): Promise<readonly string[]>;
  /** An order with its timeline. With `customerId`, only if it belongs to this customer. */
  findOrder(id: string, customerId?: string): Promise<OrderWithTimeline | undefined>;
  /** At most `limit` orders, newest first, of those with an id less than `after`. */
  listOrders(
    filter: OrderFilter,
    after: string | undefined,
    limit: number,
  ): Promise<readonly Order[]>;
  /** The versions of these orders, as `findOrder` returns them. */
  listVersions(ids: readonly string[]): Promise<readonly OrderVersion[]>;

  /** Creates the product, or replaces all but its stock and currency. */
  putProduct(request: RequestRecord, product: NewProduct): Promise<boolean>;
  /**
   * Adds to the stock. A stock below 0 violates `products_stock_not_negative`, and nothing is
   * written.
   */
  adjustStock(request: RequestRecord, sku: string, delta: bigint): Promise<boolean>;
  findProducts(skus: readonly string[]): Promise<readonly Product[]>;
  /** At most `limit` products by SKU, of those after `after`. */
  listProducts(after: string | undefined, limit: number): Promise<readonly Product[]>;

  /** Deletes at most `limit` requests past their retention; resolves to how many it deleted. */
  sweepRequests(limit: number): Promise<number>;
}

export interface OrderFilter {
  readonly customerId: string | undefined;
  readonly status: OrderStatus | undefined;
}

export type OrderVersion = Pick<OrderWithTimeline, "id" | "version">;
