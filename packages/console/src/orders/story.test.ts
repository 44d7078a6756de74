import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { MoneySchema } from "@tercet/gen/common/v1/money";
import {
  type Order,
  OrderFailureSchema,
  OrderSchema,
  OrderStatus,
} from "@tercet/gen/order/v1/order_service";
import { SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { expect, test } from "vitest";
import { ran, undid } from "./events.testing.ts";
import { ganttOf } from "./gantt.ts";
import { storyOf } from "./story.ts";

const euros = (minorUnits: bigint) => create(MoneySchema, { currencyCode: "EUR", minorUnits });

function story(
  status: OrderStatus,
  timeline: Order["timeline"],
  failure?: readonly [string, string],
  refunded = 0n,
): string {
  const [reason = "", message = ""] = failure ?? [];
  const order = create(OrderSchema, {
    status,
    timeline,
    total: euros(1_250n),
    refunded: euros(refunded),
    createTime: timestampFromMs(0),
    ...(failure && { failure: create(OrderFailureSchema, { reason, message }) }),
  });
  const { takeOvers } = ganttOf({ createMs: 0, events: timeline, open: false, nowMs: 0 });
  return storyOf(order, takeOvers);
}

const charged = [ran("create", 0, 0), ran("charge", 10, 90)];
const { UNKNOWN, STARTED, FAILED, RESOLVED } = SagaOutcome;

test("confirmed", () => {
  expect(story(OrderStatus.CONFIRMED, [...charged, ran("allocate", 100, 5)])).toBe(
    "Charged and confirmed in 105 ms.",
  );
});

test("confirmed after retries", () => {
  const timeline = [
    ran("create", 0, 0),
    ran("charge", 0, 400, { outcome: UNKNOWN }),
    ran("charge", 900, 100, { attempt: 2 }),
    ran("allocate", 1_000, 0),
  ];
  expect(story(OrderStatus.CONFIRMED, timeline)).toBe(
    "Charged after 2 attempts and confirmed in 1 s.",
  );
});

test("taken over after the charge", () => {
  const timeline = [
    ...charged,
    ran("allocate", 2_300, 0, { outcome: STARTED, worker: "b:2" }),
    ran("allocate", 2_310, 5, { worker: "b:2" }),
  ];
  expect(story(OrderStatus.CONFIRMED, timeline)).toBe(
    "Its worker died after charging; another one took over after 2.2 s. Charged and confirmed in 2.31 s.",
  );
});

test("waiting", () => {
  expect(story(OrderStatus.PENDING, charged)).toBe("Charged, taking the stock.");
  expect(story(OrderStatus.PENDING, [])).toBe("Waiting for the payment.");
});

test("declined, in the words of its reason", () => {
  expect(
    story(
      OrderStatus.REJECTED,
      [ran("create", 0, 0), ran("charge", 0, 10, { outcome: FAILED }), undid("create", 10, 0)],
      ["PAYMENT_DECLINED", "the payment was declined: INSUFFICIENT_FUNDS"],
    ),
  ).toBe("Rejected without a charge: the card has insufficient funds.");
});

test("sold out and refunded", () => {
  const timeline = [
    ...charged,
    ran("allocate", 100, 5, { outcome: FAILED }),
    undid("charge", 110, 5),
  ];
  expect(story(OrderStatus.CANCELLED, timeline, ["OUT_OF_STOCK", ""], 1_250n)).toBe(
    "The stock was gone; €12.50 refunded.",
  );
});

test("what the saga has given back is named before the order shows it", () => {
  const timeline = [...charged, undid("charge", 110, 5)];
  expect(story(OrderStatus.CANCELLED, timeline, ["OUT_OF_STOCK", ""], 0n)).toBe(
    "The stock was gone; €12.50 refunded.",
  );
  expect(story(OrderStatus.CANCELLED, charged, ["OUT_OF_STOCK", ""], 0n)).toBe(
    "The stock was gone; €0.00 refunded.",
  );
});

test("settled by an operator", () => {
  const timeline = [...charged, undid("charge", 100, 0, { outcome: RESOLVED })];
  expect(story(OrderStatus.CANCELLED, timeline, ["OUT_OF_STOCK", ""])).toBe(
    "An operator settled it outside the system and closed it.",
  );
});
