import type { LabOrder } from "./lab-report.ts";

/** Where an order is drawn: on its way forward, on its way back, or at an end. */
export type StationId = "charge" | "allocate" | "confirmed" | "back" | "closed" | "parked";

export interface Placed {
  readonly order: LabOrder;
  readonly station: StationId;
  /** Its place among those of the station, the oldest first. */
  readonly index: number;
}

export function stationOf({ status, state, step }: LabOrder): StationId {
  if (state === "NEEDS_ATTENTION") return "parked";
  if (status === "CONFIRMED") return "confirmed";
  if (status === "CANCELLED" || status === "REJECTED") return "closed";
  if (state === "COMPENSATING" || step === "refund" || step === "restock") return "back";
  return step === "allocate" ? "allocate" : "charge";
}

/** Gives each order its place. An order keeps its element when it moves on. */
export function placesOf(orders: readonly LabOrder[]): Placed[] {
  const counts = new Map<StationId, number>();
  return orders
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((order) => {
      const station = stationOf(order);
      const index = counts.get(station) ?? 0;
      counts.set(station, index + 1);
      return { order, station, index };
    });
}
