import { compensateNow, findSagaOf, type SagaFailure } from "@tercet/saga";
import { notFound, type Once, once, type RequestRecord } from "@tercet/service";
import { OrderError } from "./errors.ts";
import type { Order, OrderStatus } from "./order.ts";
import type { OrderDeps } from "./order-deps.ts";

/** Each try means that the order changed between its read and the statement that cancels it. */
const MAX_TRIES = 5;

/**
 * Cancels an order once: a CONFIRMED one by a saga of its own, a PENDING one by compensating the
 * saga that places it. Throws OrderError ORDER_NOT_CANCELLABLE in any other status.
 */
export async function cancelPlacedOrder(
  deps: OrderDeps,
  request: RequestRecord,
  failure: SagaFailure,
): Promise<Once> {
  let status: OrderStatus | undefined;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const order = await deps.store.findOrder(request.resourceId);
    if (order === undefined) throw notFound("order");
    status = order.status;
    const result = await once(deps.store, request, () =>
      status === "PENDING"
        ? compensatePending(deps, request, failure)
        : cancelConfirmed(deps, request, failure, order),
    );
    if (result.kind !== "unchanged") return result;
    if (status !== "PENDING" && status !== "CONFIRMED") break;
  }
  throw new OrderError("ORDER_NOT_CANCELLABLE", `an order that is ${status} cannot be cancelled`, {
    status: status ?? "",
  });
}

/** Resolves to false, and changes nothing, if the order is not CONFIRMED. */
async function cancelConfirmed(
  { store, engine, cancelOrder }: OrderDeps,
  request: RequestRecord,
  failure: SagaFailure,
  { paymentId, customerId }: Order,
): Promise<boolean> {
  const orderId = request.resourceId;
  const input = { paymentId, reason: failure.reason };
  const saga = engine.prepare(cancelOrder, orderId, input, customerId);
  const cancelling = await store.cancelConfirmed(request, orderId, failure, saga);
  if (cancelling) engine.drive(saga);
  return cancelling;
}

/** Resolves to false, and changes nothing, if the saga is not RUNNING or has just moved. */
async function compensatePending(
  { sql, store, engine, observer, placeOrder }: OrderDeps,
  request: RequestRecord,
  failure: SagaFailure,
): Promise<boolean> {
  const saga = await findSagaOf(sql, request.resourceId, placeOrder.kind);
  if (saga?.state !== "RUNNING") return false;
  const author = { worker: engine.worker, principal: request.caller };
  const move = compensateNow(saga, placeOrder, failure, author);
  if (move === undefined) return false;
  const compensating = await store.intervene(request, move, placeOrder.kind);
  if (!compensating) return false;
  observer.onIntervened?.(saga, move);
  engine.wake();
  return true;
}
