import { expect, test } from "vitest";
import type { LabOrder } from "./lab-report.ts";
import { placesOf, stationOf } from "./stations.ts";

const order = (change: Partial<LabOrder>): LabOrder => ({
  id: "1",
  status: "PENDING",
  state: "RUNNING",
  step: "charge",
  attempt: 0,
  updateMs: 0,
  ...change,
});

test.each<[Partial<LabOrder>, string]>([
  [{ step: "create" }, "charge"],
  [{ step: "charge" }, "charge"],
  [{ step: "allocate" }, "allocate"],
  [{ status: "CONFIRMED", state: "COMPLETED" }, "confirmed"],
  [{ state: "COMPENSATING" }, "back"],
  [{ status: "CANCELLING", step: "refund" }, "back"],
  [{ status: "CANCELLED", state: "COMPENSATED" }, "closed"],
  [{ status: "REJECTED", state: "COMPENSATED" }, "closed"],
  [{ status: "NEEDS_ATTENTION", state: "NEEDS_ATTENTION" }, "parked"],
])("an order with %o is at %s", (change, station) => {
  expect(stationOf(order(change))).toBe(station);
});

test("orders of one station have places of their own, the oldest first", () => {
  const placed = placesOf([order({ id: "2" }), order({ id: "1" })]);
  expect(placed.map(({ order: { id }, index }) => [id, index])).toEqual([
    ["1", 0],
    ["2", 1],
  ]);
});
