import type { Sql } from "@tercet/service";
import {
  cancelConfirmed,
  closeOrders,
  confirmOrders,
  insertOrder,
  intervene,
  reflectMoves,
  restockOrders,
} from "./store.ts";

/**
 * The statements that change orders, on one database: what callers ask for, and by `work` what
 * sagas do.
 */
export type OrderStore = ReturnType<typeof createOrderStore>;

export function createOrderStore(sql: Sql, work: Sql = sql) {
  return {
    insertOrder: insertOrder.bind(undefined, sql),
    confirmOrders: confirmOrders.bind(undefined, work),
    closeOrders: closeOrders.bind(undefined, work),
    restockOrders: restockOrders.bind(undefined, work),
    reflectMoves: reflectMoves.bind(undefined, work),
    intervene: intervene.bind(undefined, sql),
    cancelConfirmed: cancelConfirmed.bind(undefined, sql),
  };
}
