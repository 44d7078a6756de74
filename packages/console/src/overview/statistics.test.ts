import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { OrderSchema, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { expect, test } from "vitest";
import { percentile, statisticsOf } from "./statistics.ts";

const order = (status: OrderStatus, placedMs: number, tookMs: number) =>
  create(OrderSchema, {
    status,
    createTime: timestampFromMs(placedMs),
    updateTime: timestampFromMs(placedMs + tookMs),
  });
const { CONFIRMED, REJECTED, PENDING } = OrderStatus;

test("orders are counted in the slot in which they were placed", () => {
  const orders = [
    order(CONFIRMED, 0, 100),
    order(CONFIRMED, 29_999, 300),
    order(REJECTED, 30_000, 200),
    order(PENDING, 31_000, 0),
    order(CONFIRMED, -1, 100),
  ];
  const { slots, perMinute, confirmedShare, p95Ms } = statisticsOf(orders, 0, 60_000, 30_000);
  expect(slots.map(({ counts }) => counts)).toEqual([
    { confirmed: 2, rejected: 0, cancelled: 0, open: 0 },
    { confirmed: 0, rejected: 1, cancelled: 0, open: 1 },
  ]);
  expect(slots[0]).toMatchObject({ p50Ms: 100, p95Ms: 300 });
  expect(perMinute).toBe(4);
  expect(confirmedShare).toBeCloseTo(2 / 3);
  expect(p95Ms).toBe(300);
});

test("without orders there is no share and no percentile", () => {
  const { confirmedShare, p95Ms } = statisticsOf([], 0, 60_000, 30_000);
  expect([confirmedShare, p95Ms]).toEqual([undefined, undefined]);
});

test("a percentile is by the nearest rank", () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0.5, 0.95, 1].map((share) => percentile(values, share))).toEqual([50, 95, 100]);
});
