import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CancelOrderRequestSchema } from "@tercet/gen/order/v1/order_service";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePageToken, encodePageToken, fingerprint, pageSize, toPage } from "./request.ts";

describe("fingerprint", () => {
  const request = { orderId: "a", requestId: "b", reason: "c" };
  const print = (fields: object) =>
    fingerprint(CancelOrderRequestSchema, create(CancelOrderRequestSchema, fields));

  test("is the same for the same message, however it came to be", () => {
    expect(print(request)).toBe(print({ reason: "c", requestId: "b", orderId: "a" }));
    expect(print(request)).toMatch(/^[0-9a-f]{64}$/);
  });

  test("differs in every field, and between fields", () => {
    const prints = [
      request,
      { ...request, orderId: "x" },
      { ...request, reason: "x" },
      { ...request, reason: "" },
      { orderId: "ab", requestId: "", reason: "c" },
    ];
    expect(new Set(prints.map(print)).size).toBe(prints.length);
  });

  test("does not see fields that this version does not know", () => {
    const bytes = toBinary(CancelOrderRequestSchema, create(CancelOrderRequestSchema, request));
    const newer = fromBinary(CancelOrderRequestSchema, new Uint8Array([...bytes, 0x7a, 1, 0x41]));
    expect(fingerprint(CancelOrderRequestSchema, newer)).toBe(print(request));
  });
});

test.each([
  [0, 50],
  [1, 1],
  [100, 100],
  [101, 100],
  [2 ** 31 - 1, 100],
])("page size %i means %i", (requested, meant) => {
  expect(pageSize(requested)).toBe(meant);
});

describe("page tokens", () => {
  test("give back what they were made of", () => {
    fc.assert(fc.property(fc.uuid(), (id) => decodePageToken(encodePageToken(id)) === id));
    expect(decodePageToken(encodePageToken("TEA-1"), /^[A-Z0-9-]+$/)).toBe("TEA-1");
  });

  test("empty is the first page", () => {
    expect(decodePageToken("")).toBeUndefined();
  });

  test("of somebody's own making are refused", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        expect(() => decodePageToken(encodePageToken(`${text}!`))).toThrow(
          expect.objectContaining({ reason: "INVALID_FIELD" }),
        );
      }),
    );
  });
});

describe("toPage", () => {
  test("walks through everything once, whatever the size", () => {
    fc.assert(
      fc.property(fc.nat(30), fc.integer({ min: 1, max: 12 }), (count, size) => {
        const all = Array.from({ length: count }, (_, i) => String(i).padStart(3, "0"));
        const seen: string[] = [];
        let token = "";
        do {
          const after = decodePageToken(token, /^\d+$/);
          const rest = after === undefined ? all : all.filter((key) => key > after);
          const page = toPage(rest.slice(0, size + 1), size, (key) => key);
          expect(page.rows.length).toBeLessThanOrEqual(size);
          seen.push(...page.rows);
          token = page.nextPageToken;
        } while (token !== "");
        expect(seen).toEqual(all);
      }),
    );
  });
});
