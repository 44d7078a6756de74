import { grouped } from "@tercet/group";
import { findRequest, isRolledBack, type Sql, sweepRequests } from "@tercet/service";
import * as orders from "./postgres-orders.ts";
import * as products from "./postgres-products.ts";
import * as refunds from "./postgres-refunds.ts";
import type { OrderStore } from "./store.ts";

/** The folder that drizzle-kit writes, seen from `src` and from `dist`. */
export const MIGRATIONS = new URL("../migrations/", import.meta.url);

/** `sql` serves callers; `work` serves sagas and background work, at a lower priority. */
export function postgresStore(sql: Sql, work: Sql = sql): OrderStore {
  const insertOrder = grouped({
    run: (placements: readonly orders.Placement[]) => orders.insertOrders(sql, placements),
    keyOf: ({ request }) => `${request.caller} ${request.requestId}`,
    isRolledBack,
  });
  // Reads, not commits; but what waits is read by one statement just as well.
  const findOrder = grouped({
    run: (ids: readonly string[]) => orders.findOrders(sql, ids),
    isRolledBack,
  });
  const findProducts = grouped({
    run: (lists: readonly (readonly string[])[]) => products.findProducts(sql, lists),
    isRolledBack,
  });
  return {
    insertOrder: (request, order, saga) => insertOrder({ request, order, saga }),
    confirmOrders: (moves) => orders.confirmOrders(work, moves),
    closeOrders: (moves) => orders.closeOrders(work, moves),
    restockOrders: (moves) => orders.restockOrders(work, moves),
    reflectMoves: (moves, kind) => orders.reflectMoves(work, moves, kind),
    intervene: (request, move, kind) => orders.intervene(sql, request, move, kind),
    cancelConfirmed: (request, orderId, failure, saga) =>
      orders.cancelConfirmed(sql, request, orderId, failure, saga),
    findFeed: (name) => refunds.findFeed(work, name),
    recordRefunds: (feed, pageToken, all) => refunds.recordRefunds(work, feed, pageToken, all),
    async findOrder(id, customerId) {
      const order = await findOrder(id);
      return customerId === undefined || order?.customerId === customerId ? order : undefined;
    },
    listOrders: (filter, after, limit) => orders.listOrders(sql, filter, after, limit),
    listVersions: (ids) => orders.listVersions(work, ids),
    putProduct: (request, product) => products.putProduct(sql, request, product),
    adjustStock: (request, sku, delta) => products.adjustStock(sql, request, sku, delta),
    findProducts,
    listProducts: (after, limit) => products.listProducts(sql, after, limit),
    findRequest: (caller, requestId) => findRequest(sql, caller, requestId),
    sweepRequests: (limit) => sweepRequests(work, limit),
  };
}
