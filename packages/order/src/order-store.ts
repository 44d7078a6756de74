import type { Sql } from "@tercet/service";
import { cancelConfirmed, closeOrders, confirmOrders, insertOrder, intervene, reflectMoves, restockOrders } from "./store.ts";

/** The statements that change orders, on one database. */
export type OrderStore = ReturnType<typeof createOrderStore>;

export function createOrderStore(sql: Sql) {
  return {
    insertOrder: insertOrder.bind(undefined, sql),
    confirmOrders: confirmOrders.bind(undefined, sql),
    closeOrders: closeOrders.bind(undefined, sql),
    restockOrders: restockOrders.bind(undefined, sql),
    reflectMoves: reflectMoves.bind(undefined, sql),
    intervene: intervene.bind(undefined, sql),
    cancelConfirmed: cancelConfirmed.bind(undefined, sql),
  };
}
