import type { HandlerContext } from "@connectrpc/connect";
import { compensateNow, findSagaOf, type SagaFailure } from "@tercet/saga";
import { notFound, type RequestRecord } from "@tercet/service";
import { OrderError } from "./errors.ts";
import type { OrderStatus } from "./order.ts";
import type { OrderDependencies } from "./order-routes.ts";
import { once } from "./requests.ts";
import { findOrder } from "./store.ts";

/**
 * While the order is between states the decision is taken anew, this often: each time somebody else
 * has won the race for the row.
 */
const MAX_TRIES = 5;

/**
 * Cancels whatever the order has become: a confirmed one by a saga of its own, a pending one by
 * turning its saga back.
 */
export async function cancelPlacedOrder(
  deps: OrderDependencies,
  context: HandlerContext,
  request: RequestRecord,
  failure: SagaFailure,
): Promise<void> {
  let status: OrderStatus | undefined;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const order = await findOrder(deps.sql, request.resourceId, undefined);
    if (order === undefined) throw notFound("order");
    status = order.status;
    const change =
      status === "PENDING"
        ? await compensation(deps, request, failure)
        : confirmation(deps, request, failure, order.paymentId);
    if ((await once(deps.sql, context, request, change)) !== undefined) return;
    if (status !== "PENDING" && status !== "CONFIRMED") break;
  }
  throw new OrderError("ORDER_NOT_CANCELLABLE", `an order that is ${status} cannot be cancelled`, {
    status: status ?? "",
  });
}

/**
 * Only a CONFIRMED order answers to this statement; for any other it changes nothing, and tells
 * whether the request is a repetition.
 */
function confirmation(
  { orders, engine, cancelOrder }: OrderDependencies,
  request: RequestRecord,
  failure: SagaFailure,
  paymentId: string,
) {
  const saga = engine.prepare(cancelOrder, request.resourceId, {
    paymentId,
    reason: failure.reason,
  });
  return async () => {
    const begun = await orders.cancelConfirmed(request, request.resourceId, failure, saga);
    if (begun) engine.drive(saga);
    return begun;
  };
}

async function compensation(
  { sql, orders, engine, placeOrder }: OrderDependencies,
  request: RequestRecord,
  failure: SagaFailure,
) {
  const saga = await findSagaOf(sql, request.resourceId, placeOrder.kind);
  return async () => {
    if (saga?.state !== "RUNNING") return false;
    const move = compensateNow(saga, placeOrder, failure, engine.worker);
    if (move === undefined) return false;
    const turned = await orders.intervene(request, move, placeOrder.kind);
    if (turned) engine.wake();
    return turned;
  };
}
