import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { msOf } from "../ui/format.ts";

/** Which end an order took; open ones are none of them. */
export const OUTCOMES = ["confirmed", "rejected", "cancelled"] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Slot {
  readonly fromMs: number;
  readonly counts: Readonly<Record<Outcome | "open", number>>;
  /** Milliseconds from being placed to the last change, of the orders that ended. */
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
}

export interface Statistics {
  readonly slots: readonly Slot[];
  readonly perMinute: number;
  /** Of the orders that have ended; undefined if none has. */
  readonly confirmedShare: number | undefined;
  readonly p95Ms: number | undefined;
}

const OUTCOME_OF: Readonly<Partial<Record<OrderStatus, Outcome>>> = {
  [OrderStatus.CONFIRMED]: "confirmed",
  [OrderStatus.REJECTED]: "rejected",
  [OrderStatus.CANCELLED]: "cancelled",
};

type Seen = Pick<Order, "status" | "createTime" | "updateTime">;

/** Sums up the orders that were placed since `fromMs`, in slots of one length. */
export function statisticsOf(
  orders: readonly Seen[],
  fromMs: number,
  toMs: number,
  slotMs: number,
): Statistics {
  const inside = orders.filter((order) => (msOf(order.createTime) ?? 0) >= fromMs);
  const slots: Slot[] = [];
  for (let start = fromMs; start < toMs; start += slotMs)
    slots.push(
      slotOf(
        start,
        inside.filter((order) => {
          const ms = msOf(order.createTime) ?? 0;
          return ms >= start && ms < start + slotMs;
        }),
      ),
    );
  const ended = inside.filter(({ status }) => OUTCOME_OF[status] !== undefined);
  const confirmed = ended.filter(({ status }) => status === OrderStatus.CONFIRMED);
  return {
    slots,
    perMinute: inside.length / ((toMs - fromMs) / 60_000),
    confirmedShare: ended.length === 0 ? undefined : confirmed.length / ended.length,
    p95Ms: percentile(ended.map(tookMs), 0.95),
  };
}

function slotOf(fromMs: number, orders: readonly Seen[]): Slot {
  const counts = { confirmed: 0, rejected: 0, cancelled: 0, open: 0 };
  for (const { status } of orders) counts[OUTCOME_OF[status] ?? "open"] += 1;
  const took = orders.filter(({ status }) => OUTCOME_OF[status] !== undefined).map(tookMs);
  return { fromMs, counts, p50Ms: percentile(took, 0.5), p95Ms: percentile(took, 0.95) };
}

const tookMs = ({ createTime, updateTime }: Seen): number =>
  Math.max(0, (msOf(updateTime) ?? 0) - (msOf(createTime) ?? 0));

/** By the nearest rank. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}
