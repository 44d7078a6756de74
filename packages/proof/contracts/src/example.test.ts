import { toJson } from "@bufbuild/protobuf";
import { ourContracts } from "@tercet/gateway";
import { type Money, MoneySchema } from "@tercet/gen/common/v1/money";
import {
  ListOrdersRequestSchema,
  OrderStatusSchema,
  type WatchOrderResponse,
  WatchOrderResponseSchema,
} from "@tercet/gen/order/v1/order_service";
import { expect, test } from "vitest";
import { examplesOf, messagesOf } from "./example.ts";

const jsons = (desc: typeof MoneySchema) =>
  examplesOf(desc).map(({ what, message }) => [what, toJson(desc, message as Money)]);

test("an empty message, every field, and the least and greatest of each number", () => {
  expect(jsons(MoneySchema)).toEqual([
    ["nothing", {}],
    ["every field", { currencyCode: "currency_code 1 ä€𝄞", minorUnits: "2" }],
    ["minor_units: the least", { minorUnits: "-9223372036854775808" }],
    ["minor_units: the greatest", { minorUnits: "9223372036854775807" }],
  ]);
});

test("each value of an enum except the unspecified one", () => {
  const statuses = OrderStatusSchema.values.slice(1).map(({ name }) => `status: ${name}`);
  expect(statuses).toContain("status: ORDER_STATUS_CONFIRMED");
  expect(examplesOf(ListOrdersRequestSchema).map(({ what }) => what)).toEqual(
    expect.arrayContaining(statuses),
  );
});

test("a present but empty field differs from an absent one", () => {
  const event = examplesOf(WatchOrderResponseSchema).find(({ what }) => what === "event: empty");
  expect(event && toJson(WatchOrderResponseSchema, event.message as WatchOrderResponse)).toEqual({
    event: {},
  });
});

test("every field of every message has an example of its own", async () => {
  for (const desc of messagesOf(await ourContracts())) {
    const everything = examplesOf(desc).find(({ what }) => what === "every field");
    const json = (everything ? toJson(desc, everything.message) : {}) as Record<string, unknown>;
    expect(Object.keys(json), desc.typeName).toEqual(desc.fields.map(({ jsonName }) => jsonName));
    const texts = JSON.stringify(json).match(/"[a-z_]+ \d+ ä€𝄞"/g) ?? [];
    expect(new Set(texts).size, desc.typeName).toBe(texts.length);
  }
});
