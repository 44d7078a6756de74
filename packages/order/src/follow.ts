import { notFound, type Sql } from "@tercet/service";
import { isSettled, type OrderWithTimeline } from "./order.ts";
import { findOrder } from "./store.ts";
import type { OrderWatch } from "./watch.ts";

/**
 * The order as it is, then after each change, until it is settled; then it ends, as it does when
 * the signal aborts. `owner` hides everybody else's. Throws NOT_FOUND.
 */
export async function* follow(
  sql: Sql,
  watch: OrderWatch,
  id: string,
  owner: string | undefined,
  signal: AbortSignal,
) {
  using watching = watch.subscribe(id);
  let last: OrderWithTimeline | undefined;
  do {
    const order = await findOrder(sql, id, owner);
    if (order === undefined) throw notFound("order");
    if (last === undefined || hasChanged(last, order)) yield order;
    last = order;
    if (isSettled(order.status)) return;
    await watching.changed(order.mark, signal);
  } while (!signal.aborted);
}

const hasChanged = (before: OrderWithTimeline, after: OrderWithTimeline): boolean =>
  before.status !== after.status || before.timeline.length !== after.timeline.length;

/** The order once it is settled, or as it stands when the signal aborts. */
export async function settledOrder(
  sql: Sql,
  watch: OrderWatch,
  id: string,
  signal: AbortSignal,
): Promise<OrderWithTimeline> {
  let last: OrderWithTimeline | undefined;
  for await (const order of follow(sql, watch, id, undefined, signal)) last = order;
  if (last === undefined) throw notFound("order");
  return last;
}
