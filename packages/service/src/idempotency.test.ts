import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CancelOrderRequestSchema } from "@tercet/gen/order/v1/order_service";
import { describe, expect, test } from "vitest";
import { fingerprint } from "./idempotency.ts";

describe("fingerprint", () => {
  const request = { orderId: "a", requestId: "b", reason: "c" };
  const print = (fields: object) =>
    fingerprint(CancelOrderRequestSchema, create(CancelOrderRequestSchema, fields));

  test("is the same for equal messages, however they were made", () => {
    expect(print(request)).toBe(print({ reason: "c", requestId: "b", orderId: "a" }));
    expect(print(request)).toMatch(/^[0-9a-f]{64}$/);
  });

  test("differs by each field", () => {
    const prints = [
      request,
      { ...request, orderId: "x" },
      { ...request, reason: "x" },
      { ...request, reason: "" },
      { orderId: "ab", requestId: "", reason: "c" },
    ];
    expect(new Set(prints.map(print)).size).toBe(prints.length);
  });

  test("ignores unknown fields", () => {
    const bytes = toBinary(CancelOrderRequestSchema, create(CancelOrderRequestSchema, request));
    const newer = fromBinary(CancelOrderRequestSchema, new Uint8Array([...bytes, 0x7a, 1, 0x41]));
    expect(fingerprint(CancelOrderRequestSchema, newer)).toBe(print(request));
  });
});
