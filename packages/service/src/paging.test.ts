import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePageToken, encodePageToken, pageSize, toPage } from "./paging.ts";

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
  test("decode to the key that they were made of", () => {
    fc.assert(fc.property(fc.uuid(), (id) => decodePageToken(encodePageToken(id)) === id));
    expect(decodePageToken(encodePageToken("TEA-1"), /^[A-Z0-9-]+$/)).toBe("TEA-1");
  });

  test("an empty token is the first page", () => {
    expect(decodePageToken("")).toBeUndefined();
  });

  test("made by the caller are refused", () => {
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
  test("visits every row once, for every page size", () => {
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
