import { notFound } from "@tercet/service";
import { isSettled, type OrderWithTimeline } from "./order.ts";
import type { OrderDeps } from "./order-deps.ts";

/** Differs from every version. */
const UNREAD = "";

type WatchDeps = Pick<OrderDeps, "store" | "changes">;

/**
 * Yields the order as it is, then after each change, until it is settled or the signal aborts.
 * With `customerId`, throws NOT_FOUND if the order belongs to another customer.
 */
export async function* watchOrder(
  { store, changes }: WatchDeps,
  id: string,
  customerId: string | undefined,
  signal: AbortSignal,
) {
  using subscription = changes.subscribe(id);
  let last: OrderWithTimeline | undefined;
  do {
    const order = await store.findOrder(id, customerId);
    if (order === undefined) throw notFound("order");
    if (last === undefined || hasChanged(last, order)) yield order;
    last = order;
    if (isSettled(order.status)) return;
    await subscription.changed(order.version, signal);
  } while (!signal.aborted);
}

const hasChanged = (before: OrderWithTimeline, after: OrderWithTimeline): boolean =>
  before.status !== after.status || before.timeline.length !== after.timeline.length;

/**
 * Resolves to the order once it is settled, or as it is when the signal aborts. `begin` begins the
 * work on an order that was just placed: its first read then comes after the first change.
 */
export async function settledOrder(
  deps: WatchDeps,
  id: string,
  signal: AbortSignal,
  begin?: () => void,
): Promise<OrderWithTimeline> {
  if (begin !== undefined) {
    using subscription = deps.changes.subscribe(id);
    begin();
    await subscription.changed(UNREAD, signal);
  }
  let last: OrderWithTimeline | undefined;
  for await (const order of watchOrder(deps, id, undefined, signal)) last = order;
  if (last === undefined) throw notFound("order");
  return last;
}
